"""Provenance: what a converted model's metadata record of where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from zaponnx.artifacts import Calibration, Fit, OperatingPoint
from zaponnx.chosen_point import ChosenPoint, UsedData
from zaponnx.tuning import Tuning

FINETUNED = "finetuned"
"""Of the metadata's keys the one that `finetune` adds and `retune` keeps: a JSON array of what each was done with."""

_RECORDED_SETTINGS = ("data", "split", "samples", "seed")
"""Of those of the calibration, what is recorded."""


def recorded_settings(calibration: Calibration) -> dict[str, Any]:
    """The calibration's settings that are recorded, as far as it has them."""
    settings = calibration.settings
    return {name: settings[name] for name in _RECORDED_SETTINGS if settings.get(name) is not None}


def provenance(
    calibration: Calibration, fit: Fit, chosen: ChosenPoint | None, point: OperatingPoint, tuning: Tuning | None
) -> dict[str, str]:
    """The artifacts, the operating point, why fit chose it if it did, and the tuning; numbers as in JSON."""
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
        **(_chosen(chosen) if chosen else {}),
        **({"tuned": "true", "tuned_cpu": tuning.cpu, "tuned_threads": _text(tuning.threads)} if tuning else {}),
        **({"tuned_device": tuning.device} if tuning and tuning.device else {}),
    }


def _chosen(chosen: ChosenPoint) -> dict[str, str]:
    """What the point was chosen for, and on which data."""
    data = asdict(chosen.data) if chosen.data else {}
    recorded = {f"chosen_{name}": _text(value) for name, value in data.items() if value is not None}
    return {"chosen_for": _text(chosen.goal.to_json()), **recorded}


def data_used(metadata: Mapping[str, str]) -> list[tuple[str, UsedData]]:
    """What was done with which data to make a converted model, as far as it would make its accuracy look too good."""
    done = [("calibrated", "calibration")]
    if "max_drop" in metadata.get("chosen_for", ""):
        done.append(("chosen by its accuracy", "chosen"))
    return [
        (what, UsedData(metadata[f"{name}_data"], metadata.get(f"{name}_split"), None))
        for what, name in done
        if f"{name}_data" in metadata
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
