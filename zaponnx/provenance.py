"""Provenance: what a converted model's metadata record of where it comes from."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from zaponnx.artifacts import Calibration, Fit, OperatingPoint
from zaponnx.tuning import Tuning

FINETUNED = "finetuned"
"""Of the metadata's keys the one that `finetune` adds and `retune` keeps: a JSON array of what each was done with."""

_RECORDED_SETTINGS = ("data", "samples", "seed")
"""Of those of the calibration, what is recorded."""


def recorded_settings(calibration: Calibration) -> dict[str, Any]:
    """The calibration's settings that are recorded, as far as it has them."""
    return {name: calibration.settings[name] for name in _RECORDED_SETTINGS if name in calibration.settings}


def provenance(calibration: Calibration, fit: Fit, point: OperatingPoint, tuning: Tuning | None) -> dict[str, str]:
    """The artifacts, the operating point and the tuning, numbers as in JSON."""
    return {
        "version": version("zaponnx"),
        "model_sha256": calibration.model_sha256,
        "calibration_sha256": fit.calibration_sha256,
        **{f"calibration_{name}": _text(value) for name, value in recorded_settings(calibration).items()},
        "pattern": calibration.pattern.spec,
        "method": fit.method,
        "epsilon": _text(point.epsilon),
        "error": _text(point.error),
        "mac_saved": _text(point.mac_saved),
        **({"tuned": "true", "tuned_cpu": tuning.cpu, "tuned_threads": _text(tuning.threads)} if tuning else {}),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
