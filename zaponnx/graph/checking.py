"""Check: whether ZapConv computes the same as the matched nodes, and whether it can ever pay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from zaponnx.graph.chains import dropout_obstacle
from zaponnx.graph.constants import constant
from zaponnx.graph.matching import Match
from zaponnx.graph.surgery import display_name, given_input, is_op
from zaponnx.graph.symbols import Shape, shape_text
from zaponnx.macs import PREDICTOR_MACS_PER_OUTPUT


def check(match: Match, graph: gs.Graph, shapes: Mapping[str, Shape]) -> str:
    """The reason why a match is no site, "" if it is one.

    Args:
        match: The nodes, as matched.
        graph: The main graph.
        shapes: The known shapes of the model's tensors.
    """
    dropouts = (dropout_obstacle(node, graph) for node in match.nodes if is_op(node, "Dropout"))
    return _check_conv(match) or next(filter(None, dropouts), "") or _check_residual(match, shapes)


def _check_conv(match: Match) -> str:
    if match.weights.dtype != np.float32:
        return f"its weights are {_type_name(match.weights.dtype)}, not float32: export the model in float32"
    given = given_input(match.conv, 2)
    bias = None if given is None else constant(given)
    if given is not None and bias is None:
        return "its bias is computed or an input, not constant"
    macs = match.macs_per_output
    if macs <= 2 * PREDICTOR_MACS_PER_OUTPUT:
        # With half of the outputs skipped, 2 · 9 is where the saving just makes up for the predictor.
        return f"its {macs} MACs per output are too few to win back the predictor's {PREDICTOR_MACS_PER_OUTPUT}"
    if match.conv.attrs.get("group", 1) > 1 and match.weights.shape[1] == 1:
        # The library has no fast kernel for it: 96 channels, 5 × 5, of 56 × 56 took 250 times the dense layer's time.
        return "it is depthwise (one input channel in each group), which is faster dense"
    # Of a copy, which is dropped with the values that it reads from disk.
    scale, shift = match.affine.scale, match.affine.shift
    for name, values, factor, summand in (
        ("weights", match.weights.copy().values, scale[:, None, None, None], 0),
        ("bias", np.zeros(1) if bias is None else bias.values, scale, shift),
    ):
        with np.errstate(over="ignore", invalid="ignore"):
            folded = (values * factor + summand).astype(np.float32)
        if not np.isfinite(values).all():
            return f"its {name} {'are' if name == 'weights' else 'is'} not all finite"
        if not np.isfinite(folded).all():
            return f"its {name} would not be finite with what follows it folded in"
    return ""


def _check_residual(match: Match, shapes: Mapping[str, Shape]) -> str:
    """The residual must have the shape of what it is added to: ZapConvResidual does not broadcast."""
    if match.residual is None or match.add is None or match.expansion is not None:
        return ""
    name = display_name(match.add)
    branch = next(operand for operand in match.add.inputs if operand is not match.residual)
    residual, other = shapes.get(match.residual.name), shapes.get(branch.name)
    if residual is None or other is None:
        return f"the shape of an operand of {match.add.op} '{name}' is unknown"
    if residual != other or None in residual:
        adds = f"{match.add.op} '{name}' adds {shape_text(residual)} to {shape_text(other)}"
        return f"{adds}, and a residual must not broadcast"
    return ""


def _type_name(dtype: Any) -> str:
    """The name of a type, which onnx-graphsurgeon has as ONNX's number where numpy does not know it."""
    if isinstance(dtype, int):
        return str(onnx.TensorProto.DataType.Name(dtype)).lower()
    return str(np.dtype(dtype).name)
