"""The commands that a report prints run when they are pasted, and make the same model and the same report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import zaponnx
from zaponnx.calib.report.contents import Report
from zaponnx.models import model_sha256


@pytest.fixture
def paste(program: Path, tmp_path: Path) -> Callable[[str], str]:
    """Runs a line in an empty directory's shell, as someone who pastes it: paste(command)."""
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}

    def run(command: str) -> str:
        bash = ["bash", "-c", command]
        result = subprocess.run(bash, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        return result.stdout

    return run


def assert_same(again: Report, report: Report) -> None:
    """But for times, and the order of what is printed."""
    assert again.model_sha256 == report.model_sha256
    assert (again.headline.work, again.headline.accuracy) == (report.headline.work, report.headline.accuracy)
    assert (again.layers, again.curves, again.samples) == (report.layers, report.curves, report.samples)
    assert not {item.part for item in again.missing} - {item.part for item in report.missing}


def test_they_make_the_report_anew(small, results, paste: Callable[[str], str], tmp_path: Path) -> None:
    """Of a model at a point that was asked for by --mac-saving, and of an evaluation of several models."""
    (tmp_path / "given").mkdir()
    convert = tmp_path / "given" / "convert.json"
    converted = tmp_path / "given" / small.converted.name
    printed = zaponnx.convert(small.model, small.calibration, small.fit, converted, mac_saving=0.2)
    convert.write_text(json.dumps(printed.to_json()))
    report = zaponnx.report(
        converted,
        tmp_path / "given" / "page.html",
        calibration=small.calibration,
        fit=small.fit,
        eval=[results.eval],
        bench=results.bench,
        convert=convert,
        data=results.data,
        samples=2,
    )
    files = [name for name in report.commands[3].split() if name.endswith(".onnx")]
    assert files == [small.model.name, small.converted.name, results.other.name]
    shutil.copyfile(small.model, tmp_path / small.model.name)
    shutil.copyfile(results.other, tmp_path / results.other.name)
    for command in report.commands:
        paste(command)
    again = tmp_path / small.converted.name
    assert again.read_bytes() == converted.read_bytes()
    evaluated = json.loads((tmp_path / "eval.json").read_text())
    assert evaluated["models"][1]["sha256"] == model_sha256(again)
    assert {**evaluated, "models": 0} == {**results.read("eval"), "models": 0}
    assert (tmp_path / "page.html").is_file()
    files = ("model.zapcal", "model.zapfit.json", "bench.json", "convert.json")
    given = dict(zip(("calibration", "fit", "bench", "convert"), (tmp_path / file for file in files), strict=True))
    same = zaponnx.report(
        again, tmp_path / "same.html", eval=[tmp_path / "eval.json"], data=results.data, samples=2, **given
    )
    assert_same(same, report)


def test_they_choose_the_point_that_fit_chose(small, results, paste: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    fit, converted = tmp_path / "given" / "chosen.zapfit.json", tmp_path / "given" / "chosen.zap.onnx"
    zaponnx.fit(small.calibration, fit, max_drop=0.5, model=small.model, data=results.data, samples=6)
    zaponnx.convert(small.model, small.calibration, fit, converted)
    report = zaponnx.report(converted, tmp_path / "given" / "page.md", fit=fit, calibration=small.calibration)
    shutil.copyfile(small.model, tmp_path / small.model.name)
    for command in report.commands:
        paste(command)
    assert (tmp_path / "chosen.zap.onnx").read_bytes() == converted.read_bytes()


def test_what_is_missing_can_be_had(small, paste: Callable[[str], str], tmp_path: Path) -> None:
    """From the model and the files beside it, as its names for them are."""
    for file in (small.model, small.converted, small.calibration):
        shutil.copyfile(file, tmp_path / file.name)
    report = zaponnx.report(tmp_path / small.converted.name, tmp_path / "bare.html")
    found = {item.part: item.command for item in report.missing}
    assert list(found) == ["work", "accuracy", "time", "layer times", "curves", "maps"]
    page = tmp_path / "model.zap.html"
    for part, text in (
        ("work", "measured by eval"),
        ("time", "the dense model is model.onnx"),
        ("curves", "Error against threshold"),
        ("maps", "Hits and misses"),
    ):
        paste(found[part])
        assert text in page.read_text()
    tuning, showing = found["layer times"].split(" && ")
    paste(tuning)
    if json.loads((tmp_path / "convert.json").read_text())["converted"]:  # else nothing pays on this machine
        paste(showing)
        assert "Not in this report: each layer" not in (tmp_path / "tuned.html").read_text()


def test_files_are_named_by_what_is_there(small, results, tmp_path: Path) -> None:
    """An evaluation that was run elsewhere, of models in a folder beside the report's."""
    (tmp_path / "tried").mkdir()
    for file, place in ((small.model, "model.onnx"), (small.converted, "m.zap.onnx"), (results.other, "tried/o.onnx")):
        shutil.copyfile(file, tmp_path / place)
    printed = results.read("eval")
    for model, path in zip(printed["models"], ("a/model.onnx", "a/m.zap.onnx", "a/tried/o.onnx"), strict=True):
        model["path"] = path
    (tmp_path / "eval.json").write_text(json.dumps(printed))
    report = zaponnx.report(tmp_path / "m.zap.onnx", tmp_path / "page.md", eval=[tmp_path / "eval.json"])
    [evaluating] = [command for command in report.commands if command.startswith("zaponnx eval")]
    assert evaluating.startswith("zaponnx eval model.onnx m.zap.onnx tried/o.onnx --data npz:")
    assert evaluating.endswith("--samples 8 --json > eval.json")


def test_a_split_is_named(small, tmp_path: Path) -> None:
    evaluated = zaponnx.eval([small.model, small.converted], "random", samples=4, split="calibration")
    (tmp_path / "eval.json").write_text(json.dumps(evaluated.to_json()))
    report = zaponnx.report(small.converted, tmp_path / "page.md", eval=[tmp_path / "eval.json"])
    assert any("--data random --split calibration --samples 4" in command for command in report.commands)
