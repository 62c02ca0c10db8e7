"""Originals: what the passes take out of a dense graph, kept so that `restore` can put it back where it was.

They are found as a difference, whatever the passes do: nodes, initializers, value infos and annotations of the dense
graph that the converted one lacks. The weights are not among them: a ZapConv reads those of its Conv.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from zaponnx.graph.converted import activations, zap_convs
from zaponnx.graph.editing import drop_unread
from zaponnx.operator import DOMAIN, NHWC_OPERATORS
from zaponnx.traversal import onnx_operator
from zaponnx.weights import hold

FIELDS = ("node", "initializer", "value_info", "quantization_annotation")
"""What the passes take out, by the names of GraphProto's fields."""


@dataclass(frozen=True, eq=False)
class Originals:
    """Parts of a dense graph.

    Attributes:
        parts: They, and nothing else.
        places: Field → their places among the dense graph's, ascending.
    """

    parts: onnx.GraphProto
    places: Mapping[str, Sequence[int]]


def originals(dense: onnx.GraphProto, converted: onnx.GraphProto) -> Originals:
    """The parts of a dense graph that are not in what it was converted to."""
    parts = onnx.GraphProto()
    places: dict[str, list[int]] = {}
    for field in FIELDS:
        kept = {_key(item) for item in getattr(converted, field)}
        missing = [(place, item) for place, item in enumerate(getattr(dense, field)) if _key(item) not in kept]
        places[field] = [place for place, _ in missing]
        getattr(parts, field).extend(item for _, item in missing)
    for tensor in parts.initializer:
        hold(tensor)
    return Originals(parts, places)


def restore(model: onnx.ModelProto, removed: Originals) -> None:
    """Makes a converted model the dense one again, but for its metadata.

    ZapConvs go, with the Transposes between them and other nodes and the constants that nothing else reads, and the
    originals come back.

    Args:
        model: The converted model; changed in place.
        removed: Its originals.
    """
    graph = model.graph
    own = zap_convs(model)
    nhwc = {name for node in own if node.op_type in NHWC_OPERATORS for name in activations(node)}
    unread = {name for node in own for name in node.input} - nhwc
    for index in reversed(range(len(graph.node))):
        node = graph.node[index]
        transposes = onnx_operator(node) == "Transpose" and not nhwc.isdisjoint((*node.input, *node.output))
        if transposes or node.domain == DOMAIN:
            del graph.node[index]
    for field in FIELDS:
        items = getattr(graph, field)
        for place, item in zip(removed.places[field], getattr(removed.parts, field), strict=True):
            items.insert(place, item)
    drop_unread(model, unread)
    for entries in (model.opset_import, model.functions):
        for index in reversed(range(len(entries))):
            if entries[index].domain == DOMAIN:
                del entries[index]


def _key(item: Any) -> Hashable:
    """What tells an item from all others of its field."""
    if isinstance(item, onnx.NodeProto):
        return item.domain, item.op_type, *item.output
    return item.tensor_name if isinstance(item, onnx.TensorAnnotation) else item.name
