"""What converting at a saving does to a model's outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import zaponnx
from zaponnx.calib.divergence import divergence
from zaponnx.runtime import InferenceSession


def moved(model: Path, calibration: Path, images: np.ndarray, saving: float) -> tuple[float, float]:
    """The outputs' divergence and what is saved, of a model converted at a saving."""
    fit, converted = (calibration.with_suffix(suffix) for suffix in (".zapfit.json", ".zap.onnx"))
    zaponnx.fit(calibration, fit)
    zaponnx.convert(model, calibration, fit, converted, mac_saving=saving)
    name = InferenceSession(model).get_inputs()[0].name
    dense, skipping = (
        torch.from_numpy(InferenceSession(each).run(None, {name: images})[0]) for each in (model, converted)
    )
    distance, scale = divergence(dense, skipping)
    np.savez(calibration.with_suffix(".npz"), **{name: images})
    found = zaponnx.eval([converted], f"npz:{calibration.with_suffix('.npz')}").models[0]
    assert found.mac_saved is not None
    return float(distance / scale), found.mac_saved
