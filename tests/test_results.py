"""Results that commands print are read back as they were; anything else is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zaponnx.benchmark import Benchmark, BenchmarkRun
from zaponnx.conversion_report import ConversionReport, ConvertedSite
from zaponnx.errors import ArtifactError
from zaponnx.evaluation import Evaluation, LayerSaving, ModelEvaluation
from zaponnx.graph.layouts import Layouts
from zaponnx.graph.site import Refusal
from zaponnx.results import read_result
from zaponnx.site_choice import Form, TunedSite
from zaponnx.stopwatch import PairedTimes
from zaponnx.tuning import Tuning
from zaponnx.verification import Verification

EVALUATION = Evaluation(
    models=(ModelEvaluation(Path("a.onnx"), 0.5, None, 0.25, 0.125, (LayerSaving("conv", 9.0, 0.5, 0.25),), "a", "b"),),
    data="digits",
    split=None,
    samples=8,
    providers=("CPUExecutionProvider",),
    portable=False,
    notes=("a.onnx was calibrated on digits, too",),
)
BENCHMARK = Benchmark(
    model=Path("fast.onnx"),
    baseline=Path("slow.onnx"),
    runs=(BenchmarkRun(1, 2.0, 1.0, 2.0, 1.9, 2.1),),
    cpu="Abacus",
    cores=10,
    providers=("CPUExecutionProvider",),
    input_shapes={"x": (1, 3, 8, 8)},
    iterations=5,
    warmup=1,
    versions={"onnx": "1"},
    model_sha256="a",
    baseline_sha256="b",
)
TIMES = PairedTimes(2.0, 1.0, 1.0, 0.1)
TUNING = Tuning(
    "Abacus", 2, 1, "digits", 1, 5, 60, (TunedSite("y", Form.SKIPPING, {Form.SKIPPING: TIMES}),), None, {"onnx": "1"}
)
CONVERSION = ConversionReport(
    model=Path("a.onnx"),
    output=Path("a.zap.onnx"),
    pattern="B",
    epsilon=0.1,
    error=0.1,
    mac_saved=0.2,
    budget_missed="",
    upgraded="",
    converted=(ConvertedSite("conv", "y", (0.5, float("inf"), float("-inf")), 9.0),),
    dense=(Refusal("stem", "it is the first"),),
    stale=("y",),
    layouts=Layouts(1, 2),
    tuning=TUNING,
    verification=Verification(("library",), 0.0, 1e-6),
    output_sha256="a",
)


def written(result: Any, directory: Path, **changes: Any) -> Path:
    path = directory / "result.json"
    path.write_text(json.dumps(result.to_json() | changes))
    return path


@pytest.mark.parametrize("result", [EVALUATION, BENCHMARK, CONVERSION], ids=["eval", "bench", "convert"])
def test_what_is_printed_is_read_back(result: Any, tmp_path: Path) -> None:
    assert read_result(type(result), written(result, tmp_path), "x", "report") == result


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"samples": "8"}, "'samples' is no integer"),
        ({"samples": True}, "'samples' is no integer"),
        ({"data": 5}, "'data' is no string"),
        ({"portable": 0}, "'portable' is no bool"),
        ({"models": {}}, "'models' is no array"),
        ({"models": [5]}, r"'models\[0\]' is no object"),
        ({"extra": 1}, "'extra' is unknown"),
        ({"models": [{"path": "a.onnx"}]}, r"'models\[0\].top1' is missing"),
        ({"providers": [None]}, r"'providers\[0\]' is no string"),
    ],
)
def test_wrong_members_are_named(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=problem):
        read_result(Evaluation, written(EVALUATION, tmp_path, **changes), "eval", "report")


def test_wrong_scalars_are_named(tmp_path: Path) -> None:
    printed = CONVERSION.to_json()
    printed["tuning"]["sites"][0]["form"] = "folded"
    with pytest.raises(ArtifactError, match=r"'tuning.sites\[0\].form' is 'folded', and must be one of skipping"):
        read_result(ConversionReport, written(CONVERSION, tmp_path, **printed), "convert", "report")
    printed = CONVERSION.to_json()
    printed["converted"][0]["thresholds"] = ["infinite"]
    with pytest.raises(ArtifactError, match=r"'converted\[0\].thresholds' is no finite number"):
        read_result(ConversionReport, written(CONVERSION, tmp_path, **printed), "convert", "report")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not valid JSON"),
        ("[]", "is no JSON object"),
        ('{"samples": NaN}', "not valid JSON"),
        ('{"samples": 1, "samples": 2}', "a key is repeated"),
    ],
)
def test_other_files_are_refused_with_what_to_give(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=problem) as caught:
        read_result(Evaluation, path, "eval", "report")
    assert caught.value.remedy == "give what zaponnx eval --json printed"
    assert caught.value.where == str(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_result(Evaluation, tmp_path / "none.json", "eval", "report")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(ArtifactError, match="is too large"):
        read_result(Evaluation, path, "eval", "report")
