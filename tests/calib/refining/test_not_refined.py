"""What is not refined, and stays as it was trained."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from zaponnx.artifacts import Calibration
from zaponnx.calib.calibration import calibrate


def unimportable(model: onnx.ModelProto) -> None:
    """With Det, which onnx2torch does not know, in a second output."""
    model.graph.node.append(helper.make_node("Det", ["input"], ["determinant"], name="odd"))
    model.graph.output.append(helper.make_tensor_value_info("determinant", 1, ["N", 3]))


def whole_numbers(model: onnx.ModelProto) -> None:
    """With an output that has no gradient."""
    model.graph.node.append(helper.make_node("Cast", ["output"], ["whole"], to=onnx.TensorProto.INT64))
    model.graph.output[0].name = "whole"
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64


def infinite(model: onnx.ModelProto) -> None:
    """With the logarithm of 0 for an output."""
    model.graph.node.extend(
        [helper.make_node("Sub", ["output", "output"], ["zero"]), helper.make_node("Log", ["zero"], ["log"])]
    )
    model.graph.output[0].name = "log"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unimportable, r"node 'odd' \(Det\).*: cannot be imported into torch"),
        (infinite, "^the model's output has NaN or infinite values"),
        (whole_numbers, "of integers or truth values"),
    ],
)
def test_what_cannot_be_refined_stays_as_it_is(
    model: onnx.ModelProto,
    path: Path,
    data: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[onnx.ModelProto], None],
    reason: str,
) -> None:
    change(model)
    onnx.save_model(model, path)
    refined, plain = (calibrate(path, data, tmp_path / "model.zapcal", epochs=1, refine_steps=each) for each in (2, 0))
    assert f"the predictors are not refined: {refined.settings['not_refined']}" in caplog.text
    assert refined.settings["refine_steps"] == 0
    assert re.search(reason, refined.settings["not_refined"])
    for ours, theirs in zip(refined.sites, plain.sites, strict=True):
        assert np.array_equal(ours.predictor.P1, theirs.predictor.P1)
        assert ours.worths is None


def test_a_pattern_that_computes_all_is_not_refined(path: Path, data: str, tmp_path: Path) -> None:
    made = calibrate(path, data, tmp_path / "model.zapcal", epochs=1, refine_steps=2, pattern="1")
    assert made.settings["not_refined"] == "the pattern leaves nothing to skip"


def test_predictors_that_do_not_get_better_stay_as_they_are(
    path: Path, data: str, base: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zaponnx.calib.refining._RATE", 100.0)
    made = calibrate(path, data, tmp_path / "model.zapcal", epochs=2, refine_steps=3)
    assert "nearer" in made.settings["not_refined"]
    for ours, theirs in zip(made.sites, base.sites, strict=True):
        assert np.array_equal(ours.predictor.P1, theirs.predictor.P1)
        assert np.array_equal(ours.counts, theirs.counts)
        assert ours.worths is None
