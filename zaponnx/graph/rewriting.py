"""Rewrites sites into ZapConv: changes a ModelProto in place.

    Conv(X, W, B) → [BatchNormalization(scale, shift, mean, var)] → [Add Z] → Relu or Clip(0, bound)
    becomes  ZapConv[Residual](X, W·s, (B − mean)·s + shift, P1, p1, P2, p2[, Z]),  s = scale / sqrt(var + epsilon)

ZapConv takes the Conv's name and the activation's output and place. onnx-graphsurgeon makes the new nodes; they are
put into the original protobuf, not exported with all of the graph, since the exporter drops metadata, annotations
and unused tensors, and copies all weights. So whatever is no part of a site stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from zaponnx.artifacts import Predictor
from zaponnx.graph.editing import declare_operators, drop_unread, new_name, tensor_names
from zaponnx.graph.matching import Match
from zaponnx.graph.surgery import constant, export_node, given_input
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
    """

    match: Match
    predictor: Predictor
    threshold: tuple[float, ...]


def rewrite(model: onnx.ModelProto, replacements: Sequence[Replacement], pattern: Pattern) -> None:
    """Puts a ZapConv in the place of each site.

    Args:
        model: A model of opset 13 or later and IR version 8 or later; changed in place.
        replacements: Matches of this model.
        pattern: The computation pattern of all of them.
    """
    if not replacements:
        return
    names = tensor_names(model.graph)
    for replacement in replacements:
        node, initializers = export_node(_zap_conv(replacement, pattern, names), opset_version(model, "convert"))
        model.graph.initializer.extend(initializers)
        _put(model.graph, replacement.match, node)
    replaced = [node for replacement in replacements for node in replacement.match.nodes]
    drop_unread(model.graph, {tensor.name for node in replaced for tensor in (*node.inputs, *node.outputs)})
    declare_operators(model)


def _zap_conv(replacement: Replacement, pattern: Pattern, names: set[str]) -> gs.Node:
    """The new node; its new constants get names that are not in `names` and are added to it."""
    match = replacement.match
    predictor = replacement.predictor
    weights, bias = _folded(match)
    arrays = {"W": weights, "B": bias, "P1": predictor.P1, "p1": predictor.p1, "P2": predictor.P2, "p2": predictor.p2}
    inputs = [gs.Variable(match.conv.inputs[0].name)]
    for name, values in arrays.items():
        own = isinstance(values, gs.Variable)
        inputs.append(values if own else gs.Constant(new_name(f"{match.output}/{name}", names), values))
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
        name=match.conv.name,
        attrs=attributes,
        inputs=inputs,
        outputs=[gs.Variable(match.output)],
        domain=DOMAIN,
    )


def _folded(match: Match) -> tuple[Any, Any]:
    """W and B with the batch norm folded in: a new array, or a variable that names the Conv's own initializer."""
    bias = given_input(match.conv, 2)
    if match.batch_norm is None:
        zeros = np.zeros(match.weights.shape[0], np.float32)
        return _initializer(match.conv.inputs[1]), zeros if bias is None else _initializer(bias)
    # In float64, so that folding adds one rounding only.
    scale, shift, mean, variance = (_values(tensor).astype(np.float64) for tensor in match.batch_norm.inputs[1:5])
    factor = scale / np.sqrt(variance + match.batch_norm.attrs.get("epsilon", 1e-5))
    weights = match.weights.values * factor[:, None, None, None]
    folded_bias = ((0 if bias is None else _values(bias)) - mean) * factor + shift
    return weights.astype(np.float32), folded_bias.astype(np.float32)


def _initializer(tensor: gs.Tensor) -> Any:
    """A variable that names an initializer; for any other constant, its values."""
    return gs.Variable(tensor.name) if isinstance(tensor, gs.Constant) else _values(tensor)


def _values(tensor: gs.Tensor) -> Any:
    """The values of a tensor that the check found to be constant."""
    found = constant(tensor)
    assert found is not None
    return found.values


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
