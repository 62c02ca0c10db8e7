"""Folds what is constant into the sites' convolutions: changes a ModelProto in place.

    Conv(X, W, B) → an affine map of each channel, s · x + t, such as BatchNormalization
    becomes  Conv(X, W·s, B·s + t)

Weights and biases that other nodes make become initializers too. So each site ends up as Conv → [Add residual] → Relu,
in any of its forms, all of whose numbers are its own. The Conv keeps its place and its name, or gets the one that it
was listed by, and writes what the last node of the map wrote. A folded site stays so: `strip` gives it back folded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import numpy_helper

from zaponnx.graph.constants import Array, constant
from zaponnx.graph.editing import drop_unread, new_name, tensor_names
from zaponnx.graph.matching import Match
from zaponnx.graph.surgery import display_name, given_input


def fold(model: onnx.ModelProto, matches: Sequence[Match]) -> None:
    """Makes each match a Conv with initializers, without an affine map behind it.

    Args:
        model: The model; changed in place.
        matches: Matches of this model, which they are no longer where something was folded.
    """
    graph = model.graph
    names, nodes = tensor_names(model), {node.name for node in graph.node}
    places = {name: index for index, node in enumerate(graph.node) for name in node.output}
    dropped = []
    for match in matches:
        conv = graph.node[places[match.conv.outputs[0].name]]
        for index, (name, values) in enumerate(_folded(match).items(), start=1):
            if isinstance(values, gs.Constant):
                conv.input[index] = values.name
            elif values is not None:
                tensor = numpy_helper.from_array(values.astype(np.float32), new_name(f"{match.output}/{name}", names))
                graph.initializer.append(tensor)
                conv.input[index:] = [tensor.name, *conv.input[index + 1 :]]
        if match.folded:
            # One without a name gets that which it is listed by, before its output changes.
            conv.name = match.conv.name or new_name(display_name(match.conv), nodes)
            conv.output[0] = match.folded[-1].outputs[0].name
        dropped += [places[node.outputs[0].name] for node in match.folded]
    for index in sorted(dropped, reverse=True):
        del graph.node[index]
    replaced = [node for match in matches for node in (match.conv, *match.folded)]
    drop_unread(model, {tensor.name for node in replaced for tensor in (*node.inputs, *node.outputs)})


def _folded(match: Match) -> dict[str, gs.Constant | Array | None]:
    """The site's W and B: initializers that the model has, or new values; None for a bias that it still does not need.

    Folded in float64, so that it adds one rounding only.
    """
    scale, shift = match.affine.scale, match.affine.shift
    bias = None if (given := given_input(match.conv, 2)) is None else constant(given)
    values = 0 if bias is None else bias.values
    return {
        "W": _own(match.weights) if (scale == 1).all() else match.weights.values * scale[:, None, None, None],
        "B": (None if bias is None else _own(bias)) if match.affine.is_identity else values * scale + shift,
    }


def _own(found: gs.Constant) -> gs.Constant | Array:
    """A constant that is an initializer of the model; of any other, which no node of the model reads, its values."""
    return found if found.outputs else found.values
