"""Puts ZapConvs into NHWC, the layout that their kernels compute in: changes a ModelProto in place.

    T → ZapConv → T' → ZapConv → T''  becomes  T → Transpose → ZapConvNhwc → ZapConvNhwc → Transpose → T''

A ZapConv in NCHW converts what it reads, X and Z, and what it writes, Y. In NHWC it does not; instead there is one
Transpose of each tensor that passes between ZapConvs in NHWC and other nodes, for all nodes behind it. It takes about
as long as the one conversion that it replaces: between two of them, a ZapConv with maps of 7×7 to 56×56 was neither
faster nor slower. So no tensor gets dearer, whatever its size, and these get cheaper:

- one that two ZapConvs share, be it that both read it, or that one reads what the other writes;
- one from or to dense convolutions and pools. ONNX Runtime keeps their values in a blocked layout, and reorders these
  from and to NHWC as fast as NCHW, so that the Transpose, merged with the reorder that is there anyway, costs nothing.

A ZapConv goes to NHWC if one of its tensors gets cheaper. Those that stay stand alone between nodes of other kinds.

All results stay the same to the last bit. ONNX Runtime may move a Transpose behind the nodes that read it, and a mean,
for example, would then add up in another order: a ZapConv before such a node stays in NCHW too.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass

import onnx
from onnx import helper

from zaponnx.graph.converted import NHWC_SUFFIX, activation_inputs, activations, zap_convs
from zaponnx.graph.editing import drop_unread, new_name, tensor_names
from zaponnx.operator import NHWC_FORMS, TO_NCHW, TO_NHWC
from zaponnx.traversal import node_graphs, onnx_operator

_BLOCKED = ("Conv", "MaxPool", "AveragePool")
"""What ONNX Runtime computes in its blocked layout, whatever the layout of the input."""

_BLOCKED_BEHIND = ("BatchNormalization", "Relu", "Clip", "Add")
"""What it computes in the blocked layout where its input has that."""

_ELEMENTWISE = (
    *_BLOCKED_BEHIND,
    *("Cast", "Concat", "Div", "Dropout", "Elu", "Exp", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Mul"),
    *("Neg", "PRelu", "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh"),
)
"""What gives each of its values the same bits wherever a Transpose is."""


@dataclass(frozen=True)
class Layouts:
    """The layouts of a converted model.

    Attributes:
        nhwc: How many ZapConvs are in NHWC.
        transposes: How many Transposes that took.
    """

    nhwc: int = 0
    transposes: int = 0


def exchange_nhwc(model: onnx.ModelProto) -> Layouts:
    """Puts ZapConvs into NHWC where that saves conversions.

    A tensor that only ZapConvs in NHWC use exists no longer; its transpose has its name with "/nhwc" behind it.

    Args:
        model: A model that `rewrite` has converted; changed in place.
    """
    graph = model.graph
    ordered = _ordered(graph)
    candidates = [node for node in zap_convs(model) if node.op_type in NHWC_FORMS and node.output[0] not in ordered]
    cheaper = _cheaper(graph, candidates)
    members = [node for node in candidates if not cheaper.isdisjoint(activations(node))]
    if not members:
        return Layouts()
    nodes = len(graph.node)
    _change(model, members)
    return Layouts(len(members), len(graph.node) - nodes)


def _ordered(graph: onnx.GraphProto) -> set[str]:
    """The tensors that reach, directly or elementwise, a node whose rounding may depend on the order of its input."""
    ordered: set[str] = set()
    for node in reversed(graph.node):
        operator = onnx_operator(node)
        if operator in ("", *_BLOCKED) or (operator in _ELEMENTWISE and ordered.isdisjoint(node.output)):
            continue
        ordered.update(node.input)
    return ordered


def _cheaper(graph: onnx.GraphProto, members: Sequence[onnx.NodeProto]) -> set[str]:
    """The tensors with fewer conversions if all the ZapConvs were in NHWC."""
    written = {node.output[0] for node in members}
    readers = _other_readers(graph, written)
    blocked = _blocked(graph)

    def transposes(tensor: str) -> int:
        others = readers[tensor]
        if tensor in written:
            # A Transpose that several nodes read is not merged with any reorder.
            return 0 if not others or (len(others) == 1 and others[0] in _BLOCKED) else 1
        return 0 if tensor in blocked and all(other in _BLOCKED for other in others) else 1

    conversions = Counter(tensor for node in members for tensor in activations(node))
    return {tensor for tensor, count in conversions.items() if count > transposes(tensor)}


def _change(model: onnx.ModelProto, members: Sequence[onnx.NodeProto]) -> None:
    """Puts ZapConvs into NHWC, and Transposes before the first reader and behind the writer."""
    graph = model.graph
    written = {node.output[0] for node in members}
    left = {tensor for tensor, others in _other_readers(graph, written).items() if others}
    names = tensor_names(model)
    nhwc: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if written.isdisjoint(node.output):
            continue
        for tensor in activations(node):
            if tensor not in nhwc:
                nhwc[tensor] = new_name(f"{tensor}{NHWC_SUFFIX}", names)
                if tensor not in written:
                    nodes.insert(-1, _transpose(tensor, nhwc[tensor], TO_NHWC))
                elif tensor in left:
                    nodes.append(_transpose(nhwc[tensor], tensor, TO_NCHW))
        node.op_type = NHWC_FORMS[node.op_type]
        for index in activation_inputs(node):
            node.input[index] = nhwc[node.input[index]]
        node.output[0] = nhwc[node.output[0]]
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unread(model, written - left)


def _other_readers(graph: onnx.GraphProto, members: Set[str]) -> defaultdict[str, list[str]]:
    """Tensor → the ONNX operators that read it, "" for any other reader, without ZapConvs that read it as X or Z.

    Args:
        graph: The main graph.
        members: What these ZapConvs write.
    """
    readers: defaultdict[str, list[str]] = defaultdict(list)
    for node in graph.node:
        own = [] if members.isdisjoint(node.output) else activation_inputs(node)
        for index, tensor in enumerate(node.input):
            if index not in own:
                readers[tensor].append(onnx_operator(node))
    for inner in node_graphs(graph.node):
        for tensor in (*(name for node in inner.node for name in node.input), *(value.name for value in inner.output)):
            readers[tensor].append("")
    for value in graph.output:
        readers[value.name].append("")
    return readers


def _blocked(graph: onnx.GraphProto) -> set[str]:
    """The tensors that ONNX Runtime has in its blocked layout."""
    blocked: set[str] = set()
    for node in graph.node:
        operator = onnx_operator(node)
        data = node.input if operator == "Add" else node.input[:1]
        if operator in _BLOCKED or (operator in _BLOCKED_BEHIND and blocked.issuperset(data)):
            blocked.update(node.output)
    return blocked


def _transpose(tensor: str, to: str, axes: Sequence[int]) -> onnx.NodeProto:
    return helper.make_node("Transpose", [tensor], [to], perm=axes)
