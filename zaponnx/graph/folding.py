"""Folds what is constant into the sites' convolutions: changes a ModelProto in place.

    Conv(X, W, B) → BatchNormalization(scale, shift, mean, var)
    becomes  Conv(X, W·s, (B − mean)·s + shift),  s = scale / sqrt(var + epsilon)

Weights and biases that other nodes make, Constant or Identity, become initializers too. So each site ends up as Conv →
[Add residual] → Relu or Clip, all of whose numbers are its own. The Conv keeps its name and its place and writes what
the batch norm wrote. A folded site stays so: `strip` gives it back folded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs
from onnx import numpy_helper

from zaponnx.graph.editing import drop_unread, new_name, tensor_names
from zaponnx.graph.matching import Match
from zaponnx.graph.surgery import constant, given_input


def fold(model: onnx.ModelProto, matches: Sequence[Match]) -> None:
    """Makes each match a Conv with initializers, without a batch norm.

    Args:
        model: The model; changed in place.
        matches: Matches of this model, which they are no longer where something was folded.
    """
    graph = model.graph
    names = tensor_names(graph)
    places = {name: index for index, node in enumerate(graph.node) for name in node.output}
    batch_norms = []
    for match in matches:
        conv = graph.node[places[match.conv.outputs[0].name]]
        for index, (name, values) in enumerate(_folded(match).items(), start=1):
            if values is not None:
                tensor = numpy_helper.from_array(values, new_name(f"{match.output}/{name}", names))
                graph.initializer.append(tensor)
                conv.input[index:] = [tensor.name, *conv.input[index + 1 :]]
        if match.batch_norm is not None:
            conv.output[0] = match.batch_norm.outputs[0].name
            batch_norms.append(places[conv.output[0]])
    for index in sorted(batch_norms, reverse=True):
        del graph.node[index]
    replaced = [node for match in matches for node in (match.conv, match.batch_norm) if node is not None]
    drop_unread(graph, {tensor.name for node in replaced for tensor in (*node.inputs, *node.outputs)})


def _folded(match: Match) -> dict[str, npt.NDArray[Any] | None]:
    """The site's new W and B, None where they stay as they are."""
    bias = given_input(match.conv, 2)
    if match.batch_norm is None:
        return {name: _computed(tensor) for name, tensor in (("W", match.conv.inputs[1]), ("B", bias))}
    # In float64, so that folding adds one rounding only.
    scale, shift, mean, variance = (_values(tensor).astype(np.float64) for tensor in match.batch_norm.inputs[1:5])
    factor = scale / np.sqrt(variance + match.batch_norm.attrs.get("epsilon", 1e-5))
    weights = match.weights.values * factor[:, None, None, None]
    folded_bias = ((0 if bias is None else _values(bias)) - mean) * factor + shift
    return {"W": weights.astype(np.float32), "B": folded_bias.astype(np.float32)}


def _computed(tensor: gs.Tensor | None) -> npt.NDArray[Any] | None:
    """The values of a constant that a node makes, None for an initializer."""
    return None if tensor is None or isinstance(tensor, gs.Constant) else _values(tensor)


def _values(tensor: gs.Tensor) -> npt.NDArray[Any]:
    """The values of a tensor that the check found to be constant."""
    found = constant(tensor)
    assert found is not None
    return np.asarray(found.values)
