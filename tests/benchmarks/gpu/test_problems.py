"""Made-up layers: what they save, and their formula against the operator's in torch."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.gpu.problems import TILES, make_problem, pattern_tile, threshold_for, zap
from benchmarks.gpu.shapes import Shape
from zaponnx.calib.devices import CPU
from zaponnx.calib.finetuning.zap_conv import TorchZapConv
from zaponnx.patterns import Pattern

SHAPE = Shape(8, 16, 13, residual=True)


@pytest.mark.parametrize("pattern", TILES)
def test_the_patterns_are_zaponnxs(pattern: str) -> None:
    assert TILES[pattern] == Pattern.parse(pattern).rows
    expected = torch.from_numpy(Pattern.parse(pattern).mask(7, 7))
    assert torch.equal(pattern_tile(pattern, 7, CPU), expected)


@pytest.mark.parametrize("saving", [0.1, 0.445])
def test_the_threshold_saves_what_it_should(saving: float) -> None:
    problem, tile = make_problem(SHAPE, 4, CPU), pattern_tile("D", 13, CPU)
    predictions = problem.predictions(problem.dense(), tile)
    skipped = ~tile & (predictions <= threshold_for(predictions, tile, saving))
    assert float(skipped.double().mean()) == pytest.approx(saving, abs=5e-3), "some predictions are equal"


def test_more_than_the_pattern_leaves_cannot_be_saved() -> None:
    problem, tile = make_problem(SHAPE, 1, CPU), pattern_tile("D", 13, CPU)
    assert threshold_for(problem.predictions(problem.dense(), tile), tile, 0.9) == math.inf


def test_some_outputs_are_zero_and_no_channel_is_all_zeros() -> None:
    dense = make_problem(Shape(8, 16, 13), 4, CPU).dense()
    zeros = (dense == 0).double().mean(dim=(0, 2, 3))
    assert 0.5 < float(zeros.mean()) < 0.7
    assert float(zeros.max()) < 0.95


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pattern", TILES)
def test_the_formula_is_the_operators(pattern: str, stride: int) -> None:
    problem = make_problem(Shape(8, 16, 13, stride=stride, residual=True), 2, CPU)
    size = problem.shape.output_size
    tile = pattern_tile(pattern, size, CPU)
    dense = problem.dense()
    predictions = problem.predictions(dense, tile)
    threshold = threshold_for(predictions, tile, 0.3)
    zeros = torch.zeros(16)
    tensors = {"W": problem.w, "B": problem.b, "P1": problem.p1, "p1": zeros, "P2": problem.p2, "p2": zeros}
    rows = TILES[pattern]
    attributes = {
        "strides": [stride] * 2,
        "dilations": [1, 1],
        "group": 1,
        "pads": [1] * 4,
        "bound": math.inf,
        "threshold": [threshold],
        "pattern": [value for row in rows for value in row],
        "pattern_shape": [len(rows), len(rows[0])],
    }
    expected = TorchZapConv(tensors, attributes, nhwc=False)(problem.x, problem.z)
    found = zap(dense, predictions, tile, threshold)
    # The same sums; padded apart or not may add them up in another order, and so decide at the threshold otherwise.
    assert float(((found != 0) != (expected != 0)).double().mean()) < 1e-3
    same = (found != 0) == (expected != 0)
    torch.testing.assert_close(found[same], expected[same].detach(), atol=1e-4, rtol=0)
