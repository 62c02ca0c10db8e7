"""Compares every ZapConv of a converted model, as the library runs it, with its function body on the same inputs.

A predicted value within rounding of the threshold may fall either way, and whatever falls differently changes the
inputs of all layers behind it. So the body of each ZapConv runs beside it, in one session, on what the library gave to
it. The body is the one that the model ships, with some of its inner values as further outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from zaponnx.graph.converted import attributes, dense_output, zap_convs
from zaponnx.operator import DOMAIN, NHWC_OPERATORS, TO_NCHW
from zoo.equality import Feeds, run

Array = npt.NDArray[Any]

TOLERANCE = 1e-5
"""What rounding may change: of the layer's largest value, for results and for predicted values.

A result is a sum of K ≤ 8192 products. Its roundings add up to about ε·√K ≤ 1.1e-5 of its size in the worst layer, and
that size is well below the largest value's.
"""

_BODY_DOMAIN = "zoo.bodies"
_INNER = ("result", "predicted", "in_pattern", "compute")
_MASKS = _INNER[2:]


@dataclass(frozen=True, eq=False)
class Expected:
    """What a ZapConv must give, by its formula.

    Attributes:
        result: R, (N, M, oH, oW).
        predicted: V, of the same shape.
        thresholds: T, broadcast to the same shape.
        in_pattern: Where the pattern computes, broadcast to the same shape.
        compute: Where R is computed, of the same shape.
    """

    result: Array
    predicted: Array
    thresholds: Array
    in_pattern: Array
    compute: Array

    @property
    def skipped(self) -> float:
        """The share of outputs that the threshold skips."""
        return float(np.mean(~self.compute))

    def wrong(self, actual: Array, tolerance: float, predicted_tolerance: float) -> Array:
        """Where an output is neither R where it is computed, nor 0 elsewhere.

        Args:
            actual: The output, (N, M, oH, oW).
            tolerance: What an output may differ by, absolutely and by its size.
            predicted_tolerance: How near to the threshold a predicted value may fall either way.
        """
        near = ~self.in_pattern & (np.abs(self.predicted - self.thresholds) < predicted_tolerance)

        def close(expected: Array) -> Array:
            return np.isclose(actual, expected, rtol=tolerance, atol=tolerance, equal_nan=True)

        right = close(np.where(self.compute, self.result, 0))
        wrong: Array = ~(right | (near & close(np.where(self.compute, 0, self.result))))
        return wrong


@dataclass(frozen=True)
class Agreement:
    """How a model's ZapConvs agree with their bodies.

    Attributes:
        outputs: How many outputs they have.
        positive: The share of these whose result R is above zero.
        skipped: The share of these that is skipped.
        wrong: How many are not the body's.
    """

    outputs: int
    positive: float
    skipped: float
    wrong: int


def agreement(model: onnx.ModelProto, feeds: Feeds) -> Agreement:
    """Runs a converted model with the library, and each ZapConv's body beside it."""
    outputs = positive = skipped = wrong = 0
    for _, actual, expected in _layers(model, feeds):
        outputs += actual.size
        positive += int(np.sum(expected.result > 0))
        skipped += int(np.sum(~expected.compute))
        scale, predicted_scale = (float(np.abs(values).max()) for values in (expected.result, expected.predicted))
        wrong += int(np.sum(expected.wrong(actual, TOLERANCE * scale, TOLERANCE * max(scale, predicted_scale))))
    return Agreement(outputs, positive / max(outputs, 1), skipped / max(outputs, 1), wrong)


def thresholds_that_skip(model: onnx.ModelProto, feeds: Feeds, share: float) -> dict[str, float]:
    """Site's output → the threshold that skips a share of its outputs, at least if all layers before it skip nothing.

    Args:
        model: The converted model, at threshold −∞.
        feeds: Its inputs.
        share: Less than the share of outputs outside the pattern.
    """
    thresholds = {}
    for output, _, expected in _layers(model, feeds):
        outside = expected.predicted[~expected.in_pattern]
        # A layer of one pixel has nothing outside the pattern.
        thresholds[output] = (
            float(np.quantile(outside, share * expected.predicted.size / outside.size)) if outside.size else 0.0
        )
    return thresholds


def _layers(model: onnx.ModelProto, feeds: Feeds) -> Iterator[tuple[str, Array, Expected]]:
    """Each ZapConv's output in the original model, what the library gives, and what its body gives."""
    nodes = zap_convs(model)
    tensors = [[node.output[0], *_inner(node)] for node in nodes]
    names = [name for each in tensors for name in each]
    values = iter(run(model, names, feeds, library=True, added=_bodies(model)))
    for node in nodes:
        actual, result, predicted, in_pattern, compute = (next(values) for _ in range(1 + len(_INNER)))
        if node.op_type in NHWC_OPERATORS:
            actual = actual.transpose(TO_NCHW)
        thresholds = np.array(attributes(node)["threshold"], np.float32).reshape(1, -1, 1, 1)
        thresholds, in_pattern = (np.broadcast_to(array, result.shape) for array in (thresholds, in_pattern != 0))
        yield dense_output(node), actual, Expected(result, predicted, thresholds, in_pattern, compute != 0)


def _bodies(model: onnx.ModelProto) -> onnx.ModelProto:
    """For each ZapConv a node of the body, to be added to the model."""
    added = onnx.ModelProto()
    added.opset_import.append(helper.make_opsetid(_BODY_DOMAIN, 1))
    for function in model.functions:
        if function.domain == DOMAIN:
            body = added.functions.add()
            body.CopyFrom(function)
            body.domain = _BODY_DOMAIN
            body.output[:] = [f"{name}_number" if name in _MASKS else name for name in _INNER]
            body.node.extend(
                helper.make_node("Cast", [name], [f"{name}_number"], to=onnx.TensorProto.FLOAT) for name in _MASKS
            )
    for node in zap_convs(model):
        beside = added.graph.node.add()
        beside.CopyFrom(node)
        beside.domain = _BODY_DOMAIN
        beside.output[:] = _inner(node)
        beside.name = beside.output[0]
    return added


def _inner(node: onnx.NodeProto) -> Sequence[str]:
    return [f"{_BODY_DOMAIN}/{node.output[0]}/{name}" for name in _INNER]
