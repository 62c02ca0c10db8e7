"""A network's measurements, computed on the CPU by the stub and by torch; the times are made up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import peers
from benchmarks.gpu.library import Library
from benchmarks.gpu.measuring import Bench
from benchmarks.gpu.peers import Run, compare
from benchmarks.gpu.report import Machine, Results, markdown, result_name, write_results
from benchmarks.gpu.sessions import SessionTimes
from benchmarks.gpu.shapes import Shape
from benchmarks.points import Point
from benchmarks.timing import Effort, Times
from zaponnx.calib.devices import CPU

STEM, LAYER, LAST = Shape(3, 4, 9, predicted=False), Shape(4, 4, 9), Shape(4, 6, 9, stride=2, residual=True)
SHAPES = [STEM, LAYER, LAYER, LAST]
POINTS = [Point("net", "D", 0.4, {}), Point("net", "B", 0.25, {})]
MACHINE = Machine("Abacus 9000, sm_0", {"torch": "2"}, "python -m benchmarks.gpu", "today", {"float32": 2.0})


def times(ms: float) -> Times:
    return Times(ms, ms, ms, 5)


class Timer:
    """Runs everything once; cuDNN takes 2 ms a run, ZapConv 1 ms."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], str]] = []

    def __call__(self, runs: Mapping[str, Sequence[Run]], precision: str, effort: Effort) -> dict[str, Times]:
        self.asked.append((list(runs), precision))
        for sequence in runs.values():
            for run in sequence:
                run()
        return {name: times(len(each) * (2.0 if "cudnn" in name else 1.0)) for name, each in runs.items()}


@pytest.fixture
def bench(stub: Path) -> Bench:
    return Bench(Library(stub), Effort(1, 1), True, -1, lambda: False, CPU, Timer())


@pytest.fixture
def results() -> Results:
    return Results(MACHINE)


def test_layers_and_the_network_are_measured(bench: Bench, results: Results) -> None:
    """On the CPU torch has no convolution with ReLU in one call, and that is left out and said."""
    bench.network("net", SHAPES, POINTS, 2, "float32", results)
    assert not results.wrong
    assert all("cudnn_fused: " in each for each in results.left_out)
    found = {(each.layer, each.point): each for each in results.measurements}
    assert list(found) == [(layer, point.name) for layer in (LAYER.name, LAST.name, "") for point in POINTS]
    layer = found[LAYER.name, "D-40.0"]
    assert (layer.count, layer.batch, layer.precision, layer.macs) == (2, 2, "float32", 2 * LAYER.macs)
    assert layer.saved == pytest.approx(0.4, abs=0.01)
    assert layer.saved_macs == pytest.approx(2 * LAYER.macs * layer.saved)
    assert (layer.dense_ms, layer.speedup, layer.tiles) == (2.0, 2.0, 0.25)
    assert layer.difference < 1e-5
    whole = found["", "B-25.0"]
    assert whole.macs == 2 * sum(shape.macs for shape in SHAPES)
    assert whole.saved == pytest.approx(0.25, abs=0.01)
    assert (whole.dense_ms, whole.zap.median_ms, whole.tiles) == (8.0, 4.0, None)
    dense, zap = whole.of_ceiling(2.0)
    assert dense == pytest.approx(2 * whole.macs / 8.0 / 1e9 / 2.0)
    assert zap == pytest.approx(2 * (whole.macs - whole.saved_macs) / 4.0 / 1e9 / 2.0)


def test_networks_alone(bench: Bench, results: Results) -> None:
    replace(bench, layers=False).network("net", SHAPES, POINTS, 1, "float32", results)
    assert [each.layer for each in results.measurements] == ["", ""]


def test_when_the_time_is_up_the_rest_is_named(bench: Bench, results: Results) -> None:
    answers = iter([False, False, True])
    replace(bench, expired=lambda: next(answers)).network("net", SHAPES, POINTS, 1, "float32", results)
    assert [each.layer for each in results.measurements] == [LAYER.name] * 2
    assert results.left_out[-1] == f"net, batch 1, float32: the time was up at {LAST.name}"


def test_wrong_results_are_not_timed(bench: Bench, results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "TOLERANCES", {"float32": -1.0})
    bench.network("net", SHAPES, POINTS[:1], 1, "float32", results)
    assert not results.measurements
    assert len(results.wrong) == 2
    assert all("it differs from the formula by" in each for each in results.wrong)
    assert "## WRONG RESULTS" in markdown(results)


def test_what_the_library_refuses_is_wrong(bench: Bench, results: Results) -> None:
    """The stub has no TF32."""
    bench.network("net", SHAPES, POINTS, 1, "tf32", results)
    assert results.wrong == ["net, batch 1, tf32: layer_create: the layer is none that the stub knows"]


def test_what_does_not_fit_into_memory_is_named(
    bench: Bench, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("benchmarks.gpu.measuring.make_problem", full)
    bench.network("net", SHAPES, POINTS, 64, "float32", results)
    assert results.left_out == ["net, batch 64, float32: the GPU's memory does not suffice"]


def test_differences_and_flips() -> None:
    tile = torch.tensor([[True, False], [False, False]])
    expected = torch.tensor([[[[1.0, 2.0], [0.0, 4.0]]]])
    assert compare(expected.clone(), expected, tile) == (0.0, 0.0)
    flipped = torch.tensor([[[[1.0, 0.0], [3.0, 4.5]]]])
    assert compare(flipped, expected, tile) == (0.125, pytest.approx(2 / 3))
    assert compare(torch.zeros(1, 1, 2, 2), expected, tile)[0] == 0.25, "the pattern's outputs are always computed"
    assert compare(expected * float("nan"), expected, tile)[0] != 0.0


def test_the_report_has_all_that_was_measured(bench: Bench, results: Results, tmp_path: Path) -> None:
    bench.network("net", SHAPES, POINTS[:1], 1, "float32", results)
    results.sessions.append(SessionTimes("dense.onnx", "m.zap.onnx", 8, True, False, times(2.0), times(1.0)))
    results.left_out.append("vgg16: no time")
    paths = write_results(results, tmp_path)
    assert [path.name for path in paths] == ["gpu-abacus-9000-sm-0.json", "gpu-abacus-9000-sm-0.md"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    assert len(json.loads(paths[0].read_text())["measurements"]) == 3
    text = paths[1].read_text()
    assert "| net 3×3 4→4, 9×9 | 2 | D 40.0 % |" in text
    assert "| m.zap.onnx | 8 | TF32 | kernels | 2.000 | 1.000 | 2.00 |" in text
    assert "- vgg16: no time" in text
    assert "| float32 | 2.00 TFLOP/s |" in text
    assert result_name("NVIDIA H100 80GB HBM3, sm_90") == "gpu-nvidia-h100-80gb-hbm3-sm-90"
