"""Rewrites sites into ZapConv: changes a ModelProto in place.

    Conv(X, W, B) → [Add Z] → Relu or Clip(0, bound)
    becomes  ZapConv[Residual](X, W, B, P1, p1, P2, p2[, Z])

ZapConv takes the Conv's name, or the one that it is listed by, and the activation's output and place. onnx-graphsurgeon
makes the new nodes; they are put into the original protobuf, not exported with all of the graph, since the exporter
drops metadata, annotations and unused tensors, and copies all weights. So whatever is no part of a site stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from zaponnx.artifacts import Predictor
from zaponnx.graph.editing import drop_unread, new_name, tensor_names
from zaponnx.graph.matching import Match
from zaponnx.graph.surgery import display_name, export_node, given_input
from zaponnx.graph.upgrading import opset_version
from zaponnx.operator import DOMAIN, ZAP_CONV, ZAP_CONV_RESIDUAL
from zaponnx.patterns import Pattern


@dataclass(frozen=True, eq=False)
class Replacement:
    """A site with what its ZapConv needs beside the model's own weights.

    Attributes:
        match: The nodes to replace.
        predictor: The site's predictor.
        threshold: One threshold, or one per output channel.
        pattern: Its computation pattern.
    """

    match: Match
    predictor: Predictor
    threshold: tuple[float, ...]
    pattern: Pattern


def rewrite(model: onnx.ModelProto, replacements: Sequence[Replacement]) -> None:
    """Puts a ZapConv in the place of each site.

    Args:
        model: A model of opset 13 or later and IR version 8 or later, its sites folded; changed in place.
        replacements: Matches of this model.

    Raises:
        ValueError: A site is not folded.
    """
    if not replacements:
        return
    names, nodes = tensor_names(model), {node.name for node in model.graph.node}
    for replacement in replacements:
        conv = replacement.match.conv
        name = conv.name or new_name(display_name(conv), nodes)
        node, initializers = export_node(_zap_conv(replacement, name, names), opset_version(model, "convert"))
        model.graph.initializer.extend(initializers)
        _put(model.graph, replacement.match, node)
    replaced = [node for replacement in replacements for node in replacement.match.nodes]
    drop_unread(model, {tensor.name for node in replaced for tensor in (*node.inputs, *node.outputs)})


def _zap_conv(replacement: Replacement, name: str, names: set[str]) -> gs.Node:
    """The new node of a name; its new constants get names that are not in `names` and are added to it."""
    match, pattern = replacement.match, replacement.pattern
    constants = [tensor for tensor in match.conv.inputs[1:] if not tensor.is_empty()]
    if match.folded or match.expansion or not all(isinstance(tensor, gs.Constant) for tensor in constants):
        raise ValueError(f"'{match.output}' is not folded")
    arrays = dict(vars(replacement.predictor))
    if given_input(match.conv, 2) is None:
        arrays = {"B": np.zeros(match.weights.shape[0], np.float32), **arrays}
    inputs = [gs.Variable(tensor.name) for tensor in match.conv.inputs if not tensor.is_empty()]
    inputs += [gs.Constant(new_name(f"{match.output}/{name}", names), values) for name, values in arrays.items()]
    if match.residual is not None:
        inputs.append(gs.Variable(match.residual.name))
    attributes = {
        "strides": list(match.conv.attrs.get("strides", [1, 1])),
        "pads": list(match.pads),
        "dilations": list(match.conv.attrs.get("dilations", [1, 1])),
        "group": match.conv.attrs.get("group", 1),
        "pattern": pattern.flat,
        "pattern_shape": list(pattern.shape),
        "threshold": list(replacement.threshold),
        "channels": match.weights.shape[0],
        "bound": match.bound,
    }
    return gs.Node(
        op=ZAP_CONV if match.residual is None else ZAP_CONV_RESIDUAL,
        name=name,
        attrs=attributes,
        inputs=inputs,
        outputs=[gs.Variable(match.output)],
        domain=DOMAIN,
    )


def _put(graph: onnx.GraphProto, match: Match, zap_conv: onnx.NodeProto) -> None:
    """Puts the new node where the activation was and takes the other nodes of the match out."""
    places = {name: index for index, node in enumerate(graph.node) for name in node.output}
    conv, *others = (places[node.outputs[0].name] for node in match.nodes)
    activation = others.pop()
    zap_conv.doc_string = graph.node[conv].doc_string
    zap_conv.metadata_props.extend(graph.node[conv].metadata_props)
    graph.node[activation].CopyFrom(zap_conv)
    for index in sorted([conv, *others], reverse=True):
        del graph.node[index]
