"""Artifacts on disk: what is written is read back, and everything else is refused with a sentence."""

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

from zaponnx.artifact_files import load_calibration, load_fit, save_calibration, save_fit
from zaponnx.artifacts import LARGER_BLOCKS, MAGNITUDES, Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.chosen_point import ChosenPoint, Goal, Trial, UsedData
from zaponnx.errors import ArtifactError
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


@pytest.fixture
def calibration() -> Calibration:
    edges = np.array([-1.0, 0.0, 0.5], np.float32)
    sites = (site("relu1", 3), site("relu2", 5))
    return Calibration("0" * 64, Pattern.parse("B"), edges, sites, {"seed": 0, "data": "digits"})


@pytest.fixture
def fit() -> Fit:
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


def test_calibration_round_trip(calibration: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "model.zapcal"
    save_calibration(calibration, path)
    loaded = load_calibration(path)
    assert (loaded.model_sha256, loaded.pattern, loaded.settings) == (
        "0" * 64,
        calibration.pattern,
        calibration.settings,
    )
    np.testing.assert_array_equal(loaded.edges, calibration.edges)
    for before, after in zip(calibration.sites, loaded.sites, strict=True):
        for name in ("name", "output", "channels", "macs_per_output", "total_value", "outputs", "samples", "macs"):
            assert getattr(before, name) == getattr(after, name)
        for name in ("P1", "p1", "P2", "p2"):
            np.testing.assert_array_equal(getattr(before.predictor, name), getattr(after.predictor, name))
        np.testing.assert_array_equal(before.counts, after.counts)
        np.testing.assert_array_equal(before.values, after.values)
        np.testing.assert_array_equal(before.magnitudes, after.magnitudes)
        np.testing.assert_array_equal(before.blocks, after.blocks)
        np.testing.assert_array_equal(before.worths, after.worths)


def test_strided_arrays_are_written_in_order(calibration: Calibration, tmp_path: Path) -> None:
    edges = np.array([[-1.0, 9], [0.0, 9], [0.5, 9]], np.float32)[:, 0]
    save_calibration(replace(calibration, edges=edges), tmp_path / "model.zapcal")
    np.testing.assert_array_equal(load_calibration(tmp_path / "model.zapcal").edges, edges)


def test_fit_round_trip(fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "model.zapfit.json"
    save_fit(fit, path)
    assert load_fit(path) == fit
    assert json.loads(path.read_text())["points"][0]["thresholds"] == {"relu1": ["-inf"], "relu2": [0.1, "inf"]}


def test_the_same_artifact_is_the_same_file(calibration: Calibration, fit: Fit, tmp_path: Path) -> None:
    for name in ("first", "second"):
        save_calibration(calibration, tmp_path / f"{name}.zapcal")
        save_fit(fit, tmp_path / f"{name}.json")
    assert (tmp_path / "first.zapcal").read_bytes() == (tmp_path / "second.zapcal").read_bytes()
    assert (tmp_path / "first.json").read_bytes() == (tmp_path / "second.json").read_bytes()


@pytest.mark.parametrize("load", [load_calibration, load_fit])
@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n" + bytes(99), b"[1]", b"{}", b"null", b"[" * 99999, b"\xff"]
)
def test_foreign_files_are_refused(tmp_path: Path, load: Callable[..., Any], content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        load(path, "convert")
    assert caught.value.phase == "convert"
    assert caught.value.where == str(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("load", [load_calibration, load_fit])
def test_missing_files_and_directories_are_refused(tmp_path: Path, load: Callable[..., Any]) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ArtifactError, match="no such file"):
            load(path)


def test_a_refusal_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\x89PNG" * 9)
    with pytest.raises(ArtifactError, match=r"; give the file that zaponnx calibrate wrote, or run it again$"):
        load_calibration(path)
    with pytest.raises(ArtifactError, match=r"; give the file that zaponnx fit wrote, or run it again$"):
        load_fit(path)


def test_every_truncation_is_refused(calibration: Calibration, fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_calibration(calibration, path)
    save_fit(fit, tmp_path / "fit")
    for content, load in ((path.read_bytes(), load_calibration), ((tmp_path / "fit").read_bytes(), load_fit)):
        for length in [*range(0, len(content), 41), len(content) - 1]:
            path.write_bytes(content[:length])
            with pytest.raises(ArtifactError):
                load(path)


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
    "pattern": lambda header, arrays: header.update(pattern="E"),
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


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for metadata in (None, {"format": "pt"}, {KEY: "{}", "extra": ""}):
        save_file({"weight": np.zeros(3, np.float32)}, path, metadata=metadata)
        with pytest.raises(ArtifactError, match="no zaponnx calibration"):
            load_calibration(path)


def test_unsound_calibrations_are_not_written(calibration: Calibration, tmp_path: Path) -> None:
    bad = calibration.sites[0]
    bad = replace(bad, predictor=replace(bad.predictor, P1=np.full((3, 1, 3, 3), np.nan, np.float32)))
    for unsound in (replace(calibration, sites=(bad,)), replace(calibration, settings={"lr": math.nan})):
        with pytest.raises(ArtifactError):
            save_calibration(unsound, tmp_path / "model.zapcal")
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(fit: Fit, tmp_path: Path, number: str) -> None:
    path = tmp_path / "model.zapfit.json"
    save_fit(fit, path)
    path.write_text(path.read_text().replace('"-inf"', number))
    with pytest.raises(ArtifactError, match="no JSON number"):
        load_fit(path)


def test_repeated_keys_are_refused(fit: Fit, tmp_path: Path) -> None:
    path = tmp_path / "model.zapfit.json"
    save_fit(fit, path)
    path.write_text(path.read_text().replace('{"format"', '{"method": "exact", "format"'))
    with pytest.raises(ArtifactError, match="repeated"):
        load_fit(path)


def test_unsound_fits_are_not_written(fit: Fit, tmp_path: Path) -> None:
    point = replace(fit.points[1], thresholds={"relu1": (math.nan,), "relu2": (0.0, 0.0)})
    for unsound in (replace(fit, points=(point,)), replace(fit, points=()), replace(fit, method="guess")):
        with pytest.raises(ArtifactError):
            save_fit(unsound, tmp_path / "model.zapfit.json")
    assert list(tmp_path.iterdir()) == []
