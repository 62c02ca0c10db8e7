"""Match: follows a Conv's output through [BatchNormalization] and [Add] to a Relu or Clip(0, c)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from zaponnx.graph.padding import explicit_pads
from zaponnx.graph.surgery import constant, display_name, given_input, is_op
from zaponnx.graph.symbols import Shape
from zaponnx.operator import DOMAIN, RESIDUAL_OPERATORS

_UNBOUNDED = float(np.finfo(np.float32).max)
"""Clip's own default for its bounds."""


@dataclass(frozen=True, eq=False)
class Match:
    """The nodes of a possible site.

    Attributes:
        conv: The convolution.
        weights: Its constant weights, (M, C/group, kH, kW).
        pads: Its pads (top, left, bottom, right).
        batch_norm: The BatchNormalization behind it, if any.
        add: The Add behind these, if any.
        residual: The Add's other operand, if there is an Add.
        activation: The Relu or Clip.
        bound: The activation's upper bound, infinite for Relu.
    """

    conv: gs.Node
    weights: gs.Constant
    pads: list[int]
    batch_norm: gs.Node | None
    add: gs.Node | None
    residual: gs.Tensor | None
    activation: gs.Node
    bound: float

    @property
    def output(self) -> str:
        """The tensor that the activation writes."""
        return str(self.activation.outputs[0].name)

    @property
    def macs_per_output(self) -> int:
        """Multiply-accumulates of one output, C/group · kH · kW."""
        return math.prod(self.weights.shape[1:])

    @property
    def nodes(self) -> list[gs.Node]:
        """The nodes that ZapConv takes the place of, in the order of the flow."""
        return [node for node in (self.conv, self.batch_norm, self.add, self.activation) if node is not None]


def match(conv: gs.Node, graph: gs.Graph, shapes: Mapping[str, Shape]) -> Match | str:
    """Follows a Conv to its activation.

    Args:
        conv: One of the graph's own nodes, not of its subgraphs'.
        graph: The main graph.
        shapes: The known shapes of its tensors.

    Returns:
        The match, or the reason why there is none.
    """
    weights = constant(conv.inputs[1])
    if weights is None:
        return "its weights are computed or an input, not constant"
    if len(weights.shape) != 4:
        return f"it has {len(weights.shape) - 2} spatial dimensions, and only 2 are supported"
    pads = explicit_pads(conv, weights.shape[2:], shapes.get(conv.inputs[0].name))
    if isinstance(pads, str):
        return pads
    batch_norm = add = residual = None
    node = conv
    while True:
        reader = _sole_reader(node, graph)
        if isinstance(reader, str):
            return reader
        if is_op(reader, "BatchNormalization") and reader.inputs[0] is node.outputs[0] and node is conv:
            batch_norm = reader
        elif is_op(reader, "Add") and add is None:
            add = reader
            residual = next(operand for operand in reader.inputs if operand is not node.outputs[0])
        elif is_op(reader, "Relu", "Clip"):
            bound = math.inf if reader.op == "Relu" else _clip_bound(reader)
            if isinstance(bound, str):
                return bound
            return Match(conv, weights, pads, batch_norm, add, residual, reader, bound)
        elif (zap_conv := _zap_conv_adding(node.outputs[0])) is not None:
            return f"it is the residual of {zap_conv.op} '{display_name(zap_conv)}'"
        else:
            return f"its output goes to {reader.op} '{display_name(reader)}', which is no ReLU"
        node = reader


def _sole_reader(node: gs.Node, graph: gs.Graph) -> gs.Node | str:
    """The one node that reads another's output, or why there is no such node."""
    output = node.outputs[0]
    of = "its output" if node.op == "Conv" else f"the output of {node.op} '{display_name(node)}'"
    if any(output is graph_output for graph_output in graph.outputs):
        return f"{of} is an output of the model"
    if len(output.outputs) != 1:
        return f"{of} has {len(output.outputs)} readers"
    reader = output.outputs[0]
    if not any(reader is own for own in graph.nodes):
        return f"{of} is read inside a subgraph"
    return reader


def _zap_conv_adding(tensor: gs.Tensor) -> gs.Node | None:
    """The ZapConv whose residual a tensor of one reader is, transposed or not."""
    reader = tensor.outputs[0]
    if is_op(reader, "Transpose") and len(reader.outputs[0].outputs) == 1:
        return _zap_conv_adding(reader.outputs[0])
    adds = reader.domain == DOMAIN and reader.op in RESIDUAL_OPERATORS and reader.inputs[-1] is tensor
    return reader if adds else None


def _clip_bound(clip: gs.Node) -> float | str:
    """The upper bound of a Clip from 0, or why it is no such Clip."""
    bounds = []
    for index, (name, default) in enumerate([("min", -_UNBOUNDED), ("max", _UNBOUNDED)], start=1):
        tensor = given_input(clip, index)
        if tensor is None:
            bounds.append(float(clip.attrs.get(name, default)))
            continue
        value = constant(tensor)
        if value is None or value.values.size != 1:
            return f"the bounds of Clip '{display_name(clip)}' are no constants"
        bounds.append(float(value.values.item()))
    low, high = bounds
    if low != 0 or not high > 0:
        return f"Clip '{display_name(clip)}' clips to [{low:g}, {high:g}], which is no ReLU"
    return math.inf if high >= _UNBOUNDED else high
