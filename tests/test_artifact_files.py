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
from safetensors.numpy import save_file

from tests.sound_artifacts import KEY
from zaponnx.artifact_files import load_calibration, load_fit, save_calibration, save_fit
from zaponnx.artifacts import Calibration, Fit
from zaponnx.errors import ArtifactError


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
