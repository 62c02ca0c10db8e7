"""What becomes of the chosen point: in the fit, in converted models, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import zaponnx
from zaponnx import tables
from zaponnx.artifact_files import load_fit
from zaponnx.calib.fitting import fit
from zaponnx.graph.converted import read_metadata
from zaponnx.models import load_model


@pytest.mark.parametrize("budget", [{"epsilon": 0.1}, {"mac_saving": 0.2}])
def test_a_point_of_the_fit_needs_no_model(calibration: Path, small, tmp_path: Path, budget: dict[str, float]) -> None:
    output, direct, chosen = (tmp_path / name for name in ("m.zapfit.json", "direct.onnx", "chosen.onnx"))
    found = fit(calibration, output, **budget, model=small.model)
    assert load_fit(output) == found
    assert found.chosen.goal.to_json() == budget
    assert (found.chosen.trials, found.chosen.data, found.budget_missed) == ((), None, "")
    files = {"model": small.model, "calibration": calibration, "fit": output}
    zaponnx.convert(**files, output=direct, **budget)
    zaponnx.convert(**files, output=chosen)
    first, second = (load_model(path, "test") for path in (direct, chosen))
    assert first.graph == second.graph
    assert json.loads(read_metadata(second)["chosen_for"]) == budget
    assert "chosen_for" not in read_metadata(first)


def test_a_converted_model_goes_back_to_the_chosen_point(
    calibration: Path, by_drop, evaluations, small, tmp_path: Path
) -> None:
    fit(**by_drop, max_drop=0.2)
    first, other, back = (tmp_path / f"{name}.zap.onnx" for name in ("first", "other", "back"))
    zaponnx.convert(small.model, calibration, by_drop["output"], first)
    zaponnx.retune(first, other, epsilon=0.0)
    zaponnx.retune(other, back)
    assert back.read_bytes() == first.read_bytes() != other.read_bytes()
    inspection = zaponnx.inspect(other)
    assert inspection.retuning.chosen_for == "max-drop 0.2"
    assert f"{inspection.retuning.chosen_mac_saved:.2%}, for max-drop 0.2" in tables.inspect(inspection)


def test_on_the_command_line(calibration: Path, invoke, by_drop, small, tmp_path: Path, evaluations) -> None:
    arguments = [calibration, "-o", by_drop["output"], "--model", small.model, "--data", by_drop["data"]]
    result = invoke("fit", *arguments, "--max-drop", 0.2, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["chosen"]["goal"] == {"max_drop": 0.2}
    missed = invoke("fit", *arguments, "--max-drop", 0)
    assert missed.exit_code == 3
    assert "BUDGET MISSED" in missed.stdout
    assert "budget missed" in missed.stderr
    assert load_fit(by_drop["output"]).budget_missed
