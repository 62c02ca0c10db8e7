from pathlib import Path

import numpy as np
import pytest

import zaponnx
from benchmarks import preparing
from benchmarks.points import Point
from benchmarks.preparing import Prepared, measured_saving, prepare
from zaponnx.runtime import InferenceSession


def test_both_parts_are_converted_at_every_point(parts: list[Prepared], points: list[Point]) -> None:
    assert [(prepared.network, prepared.part) for prepared in parts] == [("tiny", "whole"), ("tiny", "features")]
    for prepared in parts:
        assert [converted.point for converted in prepared.converted] == points
        for converted in prepared.converted:
            layers = zaponnx.inspect(converted.model).layers
            assert [layer.status for layer in layers] == ["dense", "converted", "converted"]
            assert {layer.pattern for layer in layers[1:]} == {converted.point.pattern}


def test_points_are_met_on_the_timed_image(parts: list[Prepared]) -> None:
    for prepared in parts:
        for converted in prepared.converted:
            saving = measured_saving(converted.model, converted.calibration, prepared.images[:1])
            assert converted.saving == pytest.approx(saving)
            assert saving == pytest.approx(converted.point.saving, abs=0.02)  # so small a network jumps


def test_the_goal_makes_up_for_images_with_fewer_zeros(
    parts: list[Prepared], points: list[Point], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goals: list[float] = []
    monkeypatch.setattr(zaponnx, "convert", lambda *paths, mac_saving: goals.append(mac_saving))
    monkeypatch.setattr(preparing, "measured_saving", lambda *arguments: goals[-1] - 0.1)
    converted = parts[0].converted[0]
    goal, saving = preparing._goal(tmp_path / "model.onnx", converted.calibration, points[0], parts[0].images)
    assert (goal, saving) == pytest.approx((0.4, 0.3))
    assert goals == pytest.approx([0.3, 0.4])


def test_features_are_what_the_classifier_sees(parts: list[Prepared]) -> None:
    whole, features = (InferenceSession(part.dense) for part in parts)
    images = {"input": parts[0].images}
    assert whole.run(None, images)[0].shape == (4, 4)
    assert features.run(None, images)[0].shape == (4, 8, 8, 8)
    assert len(zaponnx.inspect(parts[1].dense).layers) == len(zaponnx.inspect(parts[0].dense).layers)


def test_saving_counts_layers_that_stay_dense(parts: list[Prepared]) -> None:
    converted = parts[0].converted[0]
    assert measured_saving(parts[0].dense, converted.calibration, parts[0].images[:1]) == 0


def test_nothing_is_made_twice(
    parts: list[Prepared], points: list[Point], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for function in ("export", "calibrate", "fit", "convert", "eval"):
        monkeypatch.setattr(zaponnx, function, None)
    again = prepare("tiny", points, cache)
    assert [part.converted for part in again] == [part.converted for part in parts]
    np.testing.assert_array_equal(again[0].images, parts[0].images)


def test_another_state_of_zaponnx_fits_and_converts_again(
    parts: list[Prepared], points: list[Point], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for function in ("export", "calibrate"):
        monkeypatch.setattr(zaponnx, function, None)
    model = parts[0].converted[0].model
    written = model.stat().st_mtime_ns
    monkeypatch.setattr(preparing, "sha256", lambda *files: "another")
    prepare("tiny", points, cache)
    assert model.stat().st_mtime_ns > written
