"""What calibrations and fits consist of in a file: each way of being unsound is refused with a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from tests.sound_artifacts import KEY
from zaponnx.artifact_files import load_calibration, load_fit, save_calibration, save_fit
from zaponnx.artifacts import Calibration, Fit
from zaponnx.errors import ArtifactError


def rewrite_calibration(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Writes the calibration at `path` again, with its header and its arrays changed."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()[KEY])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    change(header, arrays)
    save_file(arrays, path, metadata={KEY: json.dumps(header)})


def poison(arrays: dict[str, Any], name: str, value: float) -> None:
    arrays[name] = arrays[name].copy()
    arrays[name].flat[1] = value


CALIBRATION_DAMAGE: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "version": lambda header, arrays: header.update(version=1),
    "no version": lambda header, arrays: header.pop("version"),
    "version type": lambda header, arrays: header.update(version=True),
    "unknown key": lambda header, arrays: header.update(extra=1),
    "unknown site key": lambda header, arrays: header["sites"][0].update(extra=1),
    "missing site key": lambda header, arrays: header["sites"][0].pop("name"),
    "hash": lambda header, arrays: header.update(model_sha256="abc"),
    "pattern": lambda header, arrays: header.update(pattern="F"),
    "pattern type": lambda header, arrays: header.update(pattern=5),
    "settings": lambda header, arrays: header.update(settings=[]),
    "sites type": lambda header, arrays: header.update(sites={}),
    "no sites": lambda header, arrays: (
        header.update(sites=[]),
        [arrays.pop(name) for name in list(arrays) if name != "edges"],
    ),
    "same output twice": lambda header, arrays: header["sites"][1].update(output="relu1"),
    "channels": lambda header, arrays: header["sites"][0].update(channels=4),
    "channels text": lambda header, arrays: header["sites"][0].update(channels="3"),
    "huge channels": lambda header, arrays: header["sites"][0].update(channels=10**30),
    "no samples": lambda header, arrays: header["sites"][0].update(samples=0),
    "too few outputs": lambda header, arrays: header["sites"][0].update(outputs=1),
    "total too small": lambda header, arrays: header["sites"][0].update(total_value=0.1),
    "total infinite": lambda header, arrays: header["sites"][0].update(total_value=math.inf),
    "total nan": lambda header, arrays: header["sites"][0].update(total_value=math.nan),
    "missing tensor": lambda header, arrays: arrays.pop("sites.0.P1"),
    "unknown tensor": lambda header, arrays: arrays.update(extra=np.zeros(1, np.float32)),
    "tensor type": lambda header, arrays: arrays.update({"sites.0.p1": np.zeros(3, np.float64)}),
    "tensor shape": lambda header, arrays: arrays.update({"sites.0.P1": np.zeros((3, 9), np.float32)}),
    "histogram shape": lambda header, arrays: arrays.update({"sites.0.counts": np.zeros((3, 3), np.int64)}),
    "nan weight": lambda header, arrays: poison(arrays, "sites.0.P2", math.nan),
    "infinite bias": lambda header, arrays: poison(arrays, "sites.0.p2", math.inf),
    "no magnitudes": lambda header, arrays: arrays.pop("sites.0.magnitudes"),
    "other magnitudes": lambda header, arrays: poison(arrays, "sites.0.magnitudes", 99),
    "blocks' shape": lambda header, arrays: arrays.update({"sites.0.blocks": np.zeros((1, 4), np.int64)}),
    "negative block": lambda header, arrays: poison(arrays, "sites.0.blocks", -1),
    "blocks of fewer outputs": lambda header, arrays: arrays.update(
        {"sites.0.blocks": np.maximum(arrays["sites.0.blocks"] - 1, 0)}
    ),
    "blocks skipped before their outputs": lambda header, arrays: arrays.update(
        {"sites.0.blocks": arrays["sites.0.blocks"][:, ::-1]}
    ),
    "worths' shape": lambda header, arrays: arrays.update({"sites.0.worths": np.zeros((3, 3))}),
    "worths' type": lambda header, arrays: arrays.update({"sites.0.worths": np.zeros((3, 4), np.float32)}),
    "negative worth": lambda header, arrays: poison(arrays, "sites.0.worths", -0.1),
    "infinite worth": lambda header, arrays: poison(arrays, "sites.0.worths", math.inf),
    "falling worths": lambda header, arrays: arrays.update({"sites.0.worths": arrays["sites.0.worths"][:, ::-1]}),
    "negative count": lambda header, arrays: poison(arrays, "sites.0.counts", -1),
    "huge counts": lambda header, arrays: arrays.update({"sites.0.counts": np.full((3, 4), 2**62)}),
    "negative value": lambda header, arrays: poison(arrays, "sites.0.values", -1.0),
    "huge values": lambda header, arrays: arrays.update({"sites.0.values": np.full((3, 4), 1e308)}),
    "no edges": lambda header, arrays: arrays.update(edges=np.zeros(0, np.float32)),
    "descending edges": lambda header, arrays: poison(arrays, "edges", -2.0),
    "equal edges": lambda header, arrays: poison(arrays, "edges", -1.0),
    "nan edge": lambda header, arrays: poison(arrays, "edges", math.nan),
}


@pytest.mark.parametrize("damage", CALIBRATION_DAMAGE.values(), ids=CALIBRATION_DAMAGE.keys())
def test_unsound_calibrations_are_refused(
    calibration: Calibration, tmp_path: Path, damage: Callable[[dict[str, Any], dict[str, Any]], None]
) -> None:
    path = tmp_path / "model.zapcal"
    save_calibration(calibration, path)
    load_calibration(path)
    rewrite_calibration(path, damage)
    with pytest.raises(ArtifactError) as caught:
        load_calibration(path)
    assert "\n" not in str(caught.value)


FIT_DAMAGE: dict[str, Callable[[dict[str, Any]], object]] = {
    "format": lambda document: document.update(format="other"),
    "older version": lambda document: document.update(version=2),
    "unknown key": lambda document: document.update(extra=1),
    "missing key": lambda document: document.pop("method"),
    "no chosen point": lambda document: document.pop("chosen"),
    "chosen thresholds": lambda document: document["chosen"]["thresholds"].pop("relu1"),
    "chosen site": lambda document: document["chosen"]["thresholds"].update(relu3=[0.1]),
    "calibrated on": lambda document: document["calibrated_on"].pop("data"),
    "method": lambda document: document.update(method="guess"),
    "hash": lambda document: document.update(model_sha256="F" * 64),
    "no points": lambda document: document.update(points=[]),
    "point order": lambda document: document["points"].reverse(),
    "point type": lambda document: document["points"].append([]),
    "negative epsilon": lambda document: document["points"][0].update(epsilon=-0.1),
    "infinite epsilon": lambda document: document["points"][2].update(epsilon="inf"),
    "saving above one": lambda document: document["points"][2].update(mac_saved=1.1),
    "boolean error": lambda document: document["points"][2].update(error=True),
    "nan threshold": lambda document: document["points"][1]["thresholds"].update(relu1=["nan"]),
    "threshold type": lambda document: document["points"][1]["thresholds"].update(relu1=[True]),
    "one threshold": lambda document: document["points"][1]["thresholds"].update(relu1=0.1),
    "no thresholds": lambda document: document["points"][1]["thresholds"].update(relu1=[]),
    "objective": lambda document: document.update(objective="speed"),
    "granularity": lambda document: document.update(granularity="pixel"),
    "several thresholds per layer": lambda document: document.update(granularity="layer"),
    "block": lambda document: document.update(block="3x3x3"),
    "block of channels with thresholds of their own": lambda document: document.update(block="8x1x1"),
    "calibration hash": lambda document: document.update(calibration_sha256="abc"),
    "no calibration hash": lambda document: document.pop("calibration_sha256"),
    "threshold beyond float32": lambda document: document["points"][1]["thresholds"].update(relu1=[1e39]),
    "huge threshold": lambda document: document["points"][1]["thresholds"].update(relu1=[10**400]),
    "missing threshold": lambda document: document["points"][1]["thresholds"].pop("relu1"),
    "unknown threshold": lambda document: document["points"][1]["thresholds"].update(relu3=[0.1]),
    "curve": lambda document: document["curves"]["relu1"].update(curve="line"),
    "curve key": lambda document: document["curves"]["relu1"].update(extra=1),
    "curve coefficients": lambda document: document["curves"]["relu1"].update(error=[1.0, 2.0, 3.0]),
    "curve coefficient": lambda document: document["curves"]["relu1"].update(error=[1.0, 2.0, 3.0, "4"]),
}


@pytest.mark.parametrize("damage", FIT_DAMAGE.values(), ids=FIT_DAMAGE.keys())
def test_unsound_fits_are_refused(fit: Fit, tmp_path: Path, damage: Callable[[dict[str, Any]], None]) -> None:
    path = tmp_path / "model.zapfit.json"
    save_fit(fit, path)
    document = json.loads(path.read_text())
    damage(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError) as caught:
        load_fit(path)
    assert "\n" not in str(caught.value)


def test_worths_are_optional(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "model.zapcal"
    save_calibration(replace(calibration, sites=tuple(replace(each, worths=None) for each in calibration.sites)), path)
    assert [each.worths for each in load_calibration(path).sites] == [None, None]


def test_what_earlier_versions_wrote_has_no_blocks(calibration: Calibration, fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "model.zapcal"
    save_calibration(replace(calibration, sites=tuple(replace(each, blocks=None) for each in calibration.sites)), path)
    assert [each.blocks for each in load_calibration(path).sites] == [None, None]
    save_fit(fit, path)
    document = json.loads(path.read_text())
    assert document.pop("block") == "1x1x1"
    path.write_text(json.dumps(document))
    assert load_fit(path) == fit
