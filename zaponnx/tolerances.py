"""What rounding explains: how far the tensors of a converted model at threshold −∞ may be from the original's.

The original and the converted model add up the same products in another order, after a batch norm was folded in or not.
The roundings of a sum of K products add up like a random walk, to about ε · √K of its size, ε the float32 rounding
step, and those of successive layers at most in full. So every tensor is allowed

    16 · ε · Σ √K over the ZapConvs

of its largest value; the factor leaves room for layers that enlarge a relative error. Rounding to a type of 16 or 8
bits may turn the smallest difference into one step of that type. What is computed behind such a rounding, of values
that a ZapConv has a part in, is allowed 16 of its steps more.

Some models enlarge a rounding more than that, one with a Log behind a ReLU for example. What they make of it they also
make of neighbouring inputs, each value the float32 next to it: a tensor is allowed 8 times what these change in the
original, as `make coverage` allows it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.graph.converted import attributes, zap_convs
from zaponnx.operator import DOMAIN
from zaponnx.traversal import node_graphs, onnx_operator

Array = npt.NDArray[Any]

SENSITIVITY_FACTOR = 8
"""How much further a tensor may be from the original's than neighbouring inputs move that."""

_ALLOWED_STEPS = 16
_FLOAT32_STEP = float(np.finfo(np.float32).eps)

_CAST_STEPS = {onnx.TensorProto.FLOAT16: 2.0**-10, onnx.TensorProto.BFLOAT16: 2.0**-7}
"""The rounding steps of the types of 16 bits, relative to a value."""

_QUANTIZATION_STEP = 2.0**-7
"""That of 8 bits with a sign, relative to the largest value."""

_QUANTIZATIONS = ("QuantizeLinear", "DynamicQuantizeLinear")


def tolerances(model: onnx.ModelProto, tensors: Collection[str]) -> dict[str, float]:
    """The largest difference that each of these tensors may have, relative to its largest value.

    Args:
        model: A converted model.
        tensors: Tensors of its main graph.
    """
    dims = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    lengths = [math.prod(dims.get(node.input[1], ())[1:]) for node in zap_convs(model)]
    exact = _ALLOWED_STEPS * _FLOAT32_STEP * max(1.0, sum(map(math.sqrt, lengths)))
    steps = _steps_behind(model)
    return {name: exact + _ALLOWED_STEPS * steps.get(name, 0.0) for name in tensors}


def neighbours(values: Array) -> Array:
    """The next larger or the next smaller number of each value, at random; values of other types as they are."""
    if not np.issubdtype(values.dtype, np.floating):
        return values
    directions = np.random.default_rng(0).choice(np.array([-np.inf, np.inf], values.dtype), values.shape)
    moved: Array = np.nextafter(values, directions)
    return moved


def differences(expected: Array, actual: Array) -> Array:
    """How far values of one shape are apart, 0 where both are NaN or the same infinity."""
    same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    with np.errstate(invalid="ignore"):
        return np.where(same, 0, np.abs(actual.astype(np.float64) - expected))


def largest(values: Array) -> float:
    """The largest finite magnitude, 0 if there is none."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))


def _steps_behind(model: onnx.ModelProto) -> Mapping[str, float]:
    """The largest rounding step, 0 for float32, between the ZapConvs and each tensor behind one."""
    functions = {(function.domain, function.name, function.overload): function for function in model.functions}
    steps: dict[str, float] = {}
    for node in model.graph.node:
        inner = [each for graph in node_graphs([node]) for each in graph.node]
        read = [steps[name] for each in (node, *inner) for name in each.input if name in steps]
        if node.domain == DOMAIN:
            steps[node.output[0]] = max(read, default=0.0)
        elif read:
            steps |= dict.fromkeys(node.output, max(*read, *map(_step, _all_nodes([node], functions))))
    return steps


Functions = Mapping[tuple[str, str, str], onnx.FunctionProto]


def _all_nodes(nodes: Sequence[onnx.NodeProto], functions: Functions) -> Iterator[onnx.NodeProto]:
    """The nodes, and those in their subgraphs and in the functions that they call, at any depth."""
    for node in (*nodes, *(each for graph in node_graphs(nodes) for each in graph.node)):
        yield node
        if called := functions.get((node.domain, node.op_type, node.overload)):
            yield from _all_nodes(called.node, functions)


def _step(node: onnx.NodeProto) -> float:
    """The rounding step of a node, 0 if it computes in float32."""
    operator = onnx_operator(node)
    if operator in _QUANTIZATIONS:
        return _QUANTIZATION_STEP
    return _CAST_STEPS.get(attributes(node)["to"], 0.0) if operator == "Cast" else 0.0
