from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zaponnx
from benchmarks.measuring import Bench
from benchmarks.preparing import Prepared, measured_saving
from benchmarks.timing import Effort
from benchmarks.tuning import tuned
from zaponnx.runtime import library_path


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The keyword arguments of conversions."""
    calls: list[dict[str, Any]] = []
    convert = zaponnx.convert

    def recorded(*paths: Path, **arguments: Any) -> object:
        calls.append(arguments)
        return convert(*paths, **arguments)

    monkeypatch.setattr(zaponnx, "convert", recorded)
    return calls


@pytest.fixture
def own(parts: list[Prepared], tmp_path: Path) -> Prepared:
    """The features, with a directory of its own for what is tuned."""
    (tmp_path / "point.zap.onnx").write_bytes(parts[1].converted[0].model.read_bytes())
    converted = replace(parts[1].converted[0], model=tmp_path / "point.zap.onnx")
    return replace(parts[1], converted=(converted,))


def test_conversions_are_tuned_on_calibration_images(own: Prepared, conversions: list[dict[str, Any]]) -> None:
    result = tuned(own, own.converted[0], 2)
    (arguments,) = conversions
    with np.load(arguments["data"].removeprefix("npz:")) as data:
        assert data["input"].shape == (8, 3, 32, 32)
        assert not np.array_equal(data["input"][0], own.images[0])
    assert (arguments["tune"], arguments["threads"]) == (True, 2)
    assert arguments["mac_saving"] == own.converted[0].goal
    assert zaponnx.inspect(result.model).metadata["tuned_threads"] == "2"


def test_sites_and_saving_are_those_of_the_tuned_model(own: Prepared) -> None:
    result = tuned(own, own.converted[0], 1)
    assert result.skipping + result.in_full + result.dense == 2
    patterns = [layer.pattern for layer in zaponnx.inspect(result.model).layers if layer.status == "converted"]
    assert (len(patterns), patterns.count("1")) == (result.skipping + result.in_full, result.in_full)
    expected = measured_saving(result.model, own.converted[0].calibration, own.images[:1])
    assert result.saving == pytest.approx(expected)


def test_sites_of_a_dense_model_are_counted(own: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_pays(*paths: Path, **arguments: Any) -> None:
        paths[3].write_bytes(own.dense.read_bytes())

    monkeypatch.setattr(zaponnx, "convert", nothing_pays)
    result = tuned(own, own.converted[0], 1)
    assert (result.skipping, result.in_full, result.dense, result.saving) == (0, 0, 2, 0)


def test_models_are_kept_for_each_number_of_threads(own: Prepared, conversions: list[dict[str, Any]]) -> None:
    models = {tuned(own, own.converted[0], threads).model for threads in (1, 2, 1, 2)}
    assert len(models) == len(conversions) == 2
    assert own.converted[0].model not in models
    assert all(model.name.endswith(".zap.onnx") for model in models)  # which another state of zaponnx removes


def test_another_library_tunes_again(own: Prepared, conversions: list[dict[str, Any]]) -> None:
    model = tuned(own, own.converted[0], 1).model
    built = library_path().stat().st_mtime
    os.utime(model, (built - 1, built - 1))
    tuned(own, own.converted[0], 1)
    assert len(conversions) == 2


def test_dense_untuned_and_tuned_models_are_timed(own: Prepared, tmp_path: Path) -> None:
    measured = Bench(["onnxruntime"], Effort(rounds=1), tmp_path).tuned(own, own.converted[0], 2)
    assert (measured.subject.part, measured.threads, measured.point) == ("features", 2, "B-30.0")
    assert measured.model == tuned(own, own.converted[0], 2)
    assert {times.rounds for times in (measured.dense["onnxruntime"], measured.untuned, measured.tuned)} == {1}
