"""Reads both models and images, prints what is saved; with labels also the accuracies."""

from pathlib import Path

import zaponnx

data = f"py:{Path(__file__).with_name('network.py')}:images"
dense, converted = zaponnx.eval(["model.onnx", "model.zap.onnx"], data).models
print(f"{converted.mac_saved:.1%} of the converted layers' MACs saved, {converted.net_mac_saved:.1%} net of predictors")
if converted.top1 is not None:
    print(f"top-1 {dense.top1:.2%} before, {converted.top1:.2%} after")
