"""fit --max-drop: the point that is found, and with which evaluations."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import zaponnx
from tests.calib.choosing.stand_ins import TOP1, left, lost, only
from zaponnx import measurement_tables, tables
from zaponnx.artifact_files import load_fit
from zaponnx.calib.fitting import fit


def test_the_last_point_within_the_drop_is_found_with_few_evaluations(by_drop, evaluations, tmp_path: Path) -> None:
    found = fit(**by_drop, max_drop=0.2)
    losses = [lost(only(point)) for point in found.points]
    within = [point for point, loss in zip(found.points, losses, strict=True) if loss <= 0.2]
    assert losses == sorted(losses)
    assert 3 < len(within) < len(found.points)
    assert found.chosen.point == within[-1]
    assert len(evaluations.calls) == len(found.chosen.trials) <= 1 + math.ceil(math.log2(len(found.points) + 1))
    assert found.chosen.trials[0].top1 == TOP1
    assert found.chosen.trials[0].mac_saved == 0
    assert (found.chosen.data.data, found.chosen.data.samples) == (by_drop["data"], 8)
    assert found.note == found.budget_missed == ""
    assert load_fit(by_drop["output"]) == found
    assert left(tmp_path) == ["held.npz", "m.zapfit.json"]
    text = tables.fit(found)
    assert text.count("%  ") >= len(found.chosen.trials)
    assert f"chosen for max-drop 0.2: {found.chosen.point.mac_saved:.2%} of the MACs saved" in text
    assert f"searched on {by_drop['data']}, 8 samples\ncalibrated on random (calibration)" in text
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["chosen"]["goal"] == {"max_drop": 0.2}


def test_what_costs_nothing_is_taken_whole(by_drop, evaluations) -> None:
    found = fit(**by_drop, max_drop=1.0)
    assert found.chosen.point == found.points[-1]
    assert found.budget_missed == ""


def test_a_drop_that_no_point_keeps_is_missed_and_the_first_point_written(
    calibration: Path, by_drop, evaluations, small, tmp_path
) -> None:
    """And the first point written, by `convert`, too, which says so."""
    found = fit(**by_drop, max_drop=0.0)
    assert found.chosen.point == found.points[0]
    assert found.budget_missed.startswith("even the point with the least error, which saves ")
    assert f"BUDGET MISSED: {found.budget_missed}" in tables.fit(found)
    report = zaponnx.convert(small.model, calibration, by_drop["output"], tmp_path / "m.zap.onnx")
    assert report.budget_missed == found.budget_missed
    assert (tmp_path / "m.zap.onnx").exists()


def test_evaluations_are_as_asked_for(by_drop, evaluations) -> None:
    fit(**by_drop, max_drop=0.2, samples=4, batch_size=3, workers=1, providers=["cpu"])
    expected = {"samples": 4, "batch_size": 3, "workers": 1, "providers": ["cpu"], "split": "calibration"}
    assert all(call.items() >= expected.items() for call in evaluations.calls)


def test_the_sigmoids_points_can_be_searched_too(by_drop, evaluations) -> None:
    found = fit(**by_drop, method="sigmoid", max_drop=0.2)
    assert 0 < lost(only(found.chosen.point)) <= 0.2
    assert found.chosen.point in found.points


def test_search_data_that_calibrated_are_noted(small, by_drop, evaluations, caplog: pytest.LogCaptureFixture) -> None:
    """In the report and on stderr; the converted model tells `eval`, whose report says it."""
    calibration = by_drop["output"].with_name("same.zapcal")
    zaponnx.calibrate(small.model, by_drop["data"], calibration, epochs=1, refine_steps=0)
    found = fit(**by_drop | {"calibration": calibration}, max_drop=0.2)
    note = f"the drop was measured on {by_drop['data']}, which calibrated the predictors, too"
    assert found.note.startswith(note)
    assert note in caplog.text
    assert f"NOTE: {note}" in tables.fit(found)
    assert found.to_json()["note"] == found.note
    converted = by_drop["output"].with_name("m.zap.onnx")
    zaponnx.convert(small.model, calibration, by_drop["output"], converted)
    evaluation = zaponnx.eval([small.model, converted], by_drop["data"])
    assert [note.partition(" on ")[0] for note in evaluation.notes] == [
        f"{converted} was calibrated",
        f"{converted} was chosen by its accuracy",
    ]
    assert "NOTE: " in measurement_tables.evaluate(evaluation)
    assert zaponnx.eval([converted], "random", samples=4).notes == ()
