"""Match: follows a Conv's output through affine maps and a residual Add to a ReLU, past nodes that change nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx_graphsurgeon as gs

from zaponnx.graph.activations import clipped_interval, follow_activation
from zaponnx.graph.affine import Affine, affine_map
from zaponnx.graph.chains import has_no_effect, sole_reader
from zaponnx.graph.constants import CONSTANT_OPERATORS, constant
from zaponnx.graph.padding import explicit_pads
from zaponnx.graph.residuals import Expansion, expansion
from zaponnx.graph.surgery import display_name, is_op
from zaponnx.graph.symbols import Shape
from zaponnx.operator import DOMAIN, RESIDUAL_OPERATORS


@dataclass(frozen=True, eq=False)
class Match:
    """The nodes of a possible site.

    Attributes:
        conv: The convolution.
        weights: Its constant weights, (M, C/group, kH, kW).
        pads: Its pads (top, left, bottom, right).
        affine: What is done to its channels before the residual is added, by a batch norm for example.
        folded: The nodes right behind the Conv that do that.
        add: The Add or Sum of the residual, if any.
        residual: Its other operand, if there is one.
        expansion: What the residual has to become, if it is a constant that is broadcast.
        bound: The activation's upper bound, infinite for ReLU.
        nodes: All nodes that ZapConv takes the place of, in the order of the flow, from the Conv to the activation.
    """

    conv: gs.Node
    weights: gs.Constant
    pads: list[int]
    affine: Affine
    folded: tuple[gs.Node, ...]
    add: gs.Node | None
    residual: gs.Tensor | None
    expansion: Expansion | None
    bound: float
    nodes: tuple[gs.Node, ...]

    @property
    def output(self) -> str:
        """The tensor that the activation writes."""
        return str(self.nodes[-1].outputs[0].name)

    @property
    def macs_per_output(self) -> int:
        """Multiply-accumulates of one output, C/group · kH · kW."""
        return math.prod(self.weights.shape[1:])

    @property
    def suits_winograd(self) -> bool:
        """Whether the library computes it by Winograd's minimal filtering where nothing is skipped."""
        attributes = self.conv.attrs
        ones = all(attributes.get(name, [1, 1]) == [1, 1] for name in ("strides", "dilations"))
        _, channels, *kernel = self.weights.shape
        return ones and attributes.get("group", 1) == 1 and channels > 1 and kernel == [3, 3]


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
        return _not_constant(conv.inputs[1])
    if len(weights.shape) != 4:
        return f"it has {len(weights.shape) - 2} spatial dimensions, and only 2 are supported"
    pads = explicit_pads(conv, weights.shape[2:], shapes.get(conv.inputs[0].name))
    if isinstance(pads, str):
        return pads
    affine, folded = Affine.identity(weights.shape[0]), 0
    add = residual = expanded = None
    nodes = [conv]
    while True:
        data = nodes[-1].outputs[0]
        reader = sole_reader(nodes[-1], graph)
        if isinstance(reader, str):
            return reader
        if clipped_interval(reader) is not None:
            activation = follow_activation(reader, graph)
            if isinstance(activation, str):
                return activation
            last, bound = activation
            folds, flow = tuple(nodes[1:folded]), (*nodes, *last)
            return Match(conv, weights, pads, affine, folds, add, residual, expanded, bound, flow)
        own = affine_map(reader, data, weights.shape[0]) if add is None else None
        if isinstance(own, str):
            return own
        if own is not None:
            affine, folded = affine.then(own), len(nodes) + 1
        elif add is None and is_op(reader, "Add", "Sum") and len(reader.inputs) == 2:
            add = reader
            residual = next(operand for operand in reader.inputs if operand is not data)
            found = expansion(reader, data, graph, shapes)
            if isinstance(found, str):
                return found
            expanded = found
        elif (zap_conv := _zap_conv_adding(data)) is not None:
            return f"it is the residual of {zap_conv.op} '{display_name(zap_conv)}'"
        elif not has_no_effect(reader):
            return f"its output goes to {reader.op} '{display_name(reader)}', which is no ReLU"
        nodes.append(reader)


def _not_constant(weights: gs.Tensor) -> str:
    """Why weights are no constant."""
    while weights.inputs:
        producer = weights.inputs[0]
        if is_op(producer, "DequantizeLinear"):
            return f"its weights are quantized, see DequantizeLinear '{display_name(producer)}': give the float32 model"
        if not is_op(producer, *CONSTANT_OPERATORS) or not producer.inputs:
            break
        weights = producer.inputs[0]
    return "its weights are computed or an input, not constant"


def _zap_conv_adding(tensor: gs.Tensor) -> gs.Node | None:
    """The ZapConv whose residual a tensor of one reader is, transposed or not."""
    reader = tensor.outputs[0]
    if is_op(reader, "Transpose") and len(reader.outputs[0].outputs) == 1:
        return _zap_conv_adding(reader.outputs[0])
    adds = reader.domain == DOMAIN and reader.op in RESIDUAL_OPERATORS and reader.inputs[-1] is tensor
    return reader if adds else None
