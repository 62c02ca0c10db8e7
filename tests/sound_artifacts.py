"""A calibration and a fit of two sites, for the tests of their files, and a calibration's key in its file."""

from __future__ import annotations

import math

import numpy as np

from zaponnx.artifacts import LARGER_BLOCKS, MAGNITUDES, Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.chosen_point import ChosenPoint, Goal, Trial, UsedData
from zaponnx.patterns import Pattern

KEY = "zaponnx.calibration"


def site(output: str, channels: int) -> SiteCalibration:
    rng = np.random.default_rng(channels)
    weights = {name: rng.normal(size=(channels, 1, 3, 3)).astype(np.float32) for name in ("P1", "P2")}
    biases = {name: rng.normal(size=channels).astype(np.float32) for name in ("p1", "p2")}
    values = rng.random(size=(channels, 4))
    counts = rng.integers(0, 9, size=(channels, 4))
    return SiteCalibration(
        name=f"conv of {output}",
        output=output,
        channels=channels,
        macs_per_output=27,
        predictor=Predictor(**weights, **biases),
        counts=counts,
        values=values,
        total_value=values.sum() * 2,
        outputs=1000,
        samples=10,
        magnitudes=np.concatenate([counts.sum(axis=0, keepdims=True), np.zeros((MAGNITUDES - 1, 4), np.int64)]),
        blocks=np.array([[0, 0, 0, counts.sum()]] * len(LARGER_BLOCKS)),
        worths=np.cumsum(rng.random(size=(channels, 4)), axis=1),
    )


def sound_calibration() -> Calibration:
    edges = np.array([-1.0, 0.0, 0.5], np.float32)
    sites = (site("relu1", 3), site("relu2", 5))
    return Calibration("0" * 64, Pattern.parse("B"), edges, sites, {"seed": 0, "data": "digits"})


def sound_fit() -> Fit:
    points = (
        OperatingPoint(0.0, 0.0, 0.0, {"relu1": (-math.inf,), "relu2": (0.1, math.inf)}),
        OperatingPoint(0.5, 0.4, 0.3, {"relu1": (0.0,), "relu2": (0.2, -math.inf)}),
        OperatingPoint(2.0, 1.5, 0.5, {"relu1": (math.inf,), "relu2": (math.inf, math.inf)}),
    )
    curves = {
        "relu1": {"curve": "sigmoid", "error": [1.0, 2.0, 3.0, 4.0], "macs": [0.0, 0.0, 0.0, 0.0]},
        "relu2": {"curve": "measured", "reason": "no convergence"},
    }
    used = UsedData("digits", "calibration", 9)
    chosen = ChosenPoint(Goal(max_drop=0.01), points[1], data=used, trials=(Trial(0.0, 0.0, top1=0.9),))
    return Fit("f" * 64, "c" * 64, "exact", "channel", "output", points, curves, used, chosen)
