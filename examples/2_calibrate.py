"""Reads model.onnx and images, writes model.zapcal: predictors, and what thresholds cost and save."""

from pathlib import Path

import zaponnx

data = f"py:{Path(__file__).with_name('network.py')}:images"
calibration = zaponnx.calibrate("model.onnx", data, "model.zapcal", epochs=2)
for site in calibration.sites:
    print(f"{site.name}: {site.macs:.0f} MACs, measured with {site.samples} samples")
