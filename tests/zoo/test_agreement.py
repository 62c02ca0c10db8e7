"""agreement: the library and the bodies give the same but for predicted values at the threshold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest

from zaponnx.graph.converted import zap_convs
from zoo.agreement import Agreement, Expected, agreement, thresholds_that_skip
from zoo.converting import at_minus_infinity, at_operating_point, dense
from zoo.normalizing import normalize


@pytest.fixture
def operating(network: onnx.ModelProto, feeds: dict[str, Any]) -> onnx.ModelProto:
    """The network, converted so that it skips 30 % of its sites' outputs."""
    normalize(network, feeds, seed=0)
    prepared = dense(network)
    thresholds = thresholds_that_skip(at_minus_infinity(prepared, seed=0), feeds, 0.3)
    return at_operating_point(prepared, thresholds, seed=0)


def test_the_library_agrees_with_the_bodies(operating: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    result = agreement(operating, feeds)
    assert result.outputs == 2 * 8 * 24 * 24 * 2
    assert 0.4 < result.positive < 0.7
    assert result.skipped == pytest.approx(0.3, abs=0.02)
    assert result.wrong == 0


def test_without_a_zap_conv_there_is_nothing_to_compare(network: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    assert agreement(network, feeds) == Agreement(outputs=0, positive=0, skipped=0, wrong=0)


@pytest.mark.parametrize(("operator", "becomes"), [("LessOrEqual", "GreaterOrEqual"), ("Relu", "Identity")])
def test_another_body_is_seen(operating: onnx.ModelProto, feeds: dict[str, Any], operator: str, becomes: str) -> None:
    for function in operating.functions:
        next(node for node in function.node if node.op_type == operator).op_type = becomes
    assert agreement(operating, feeds).wrong > 1000


def test_other_thresholds_are_other_results(operating: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    """The body has the node's own thresholds: what a wrong one would skip shows in no other way than this."""
    for node in zap_convs(operating):
        attribute = next(attribute for attribute in node.attribute if attribute.name == "threshold")
        attribute.floats[:] = [math.inf]
    assert agreement(operating, feeds).skipped == pytest.approx(0.5)


def expected(predicted: float, *, in_pattern: bool = False) -> Expected:
    """One output with the result 2 and the threshold 1."""
    compute = in_pattern or not predicted <= 1
    return Expected(*(np.array(value) for value in (2.0, predicted, 1.0, in_pattern, compute)))


@pytest.mark.parametrize(
    ("predicted", "in_pattern", "right"),
    [
        (0.5, False, {0.0}),
        (1.5, False, {2.0}),
        (0.9999, False, {0.0, 2.0}),
        (1.0001, False, {0.0, 2.0}),
        (0.9999, True, {2.0}),
        (0.5, True, {2.0}),
        (math.nan, False, {2.0}),
    ],
)
def test_what_is_right(predicted: float, in_pattern: bool, right: set[float]) -> None:
    case = expected(predicted, in_pattern=in_pattern)
    candidates = (0.0, 1.0, 2.0, math.nan)
    accepted = {value for value in candidates if not case.wrong(np.array(value), 1e-5, 1e-3)}
    assert accepted == right
