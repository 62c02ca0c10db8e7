"""Expands constant residuals: changes a ModelProto in place.

    Add(x, c), c constant, broadcast to the shape (N, M, H, W) of x
    becomes  Add(x, Z), Z = c, repeated to that shape
    or       Add(x, Expand(Z, [N, 1, 1, 1])), Z of (1, M, H, W), where the batch N is not fixed

A residual of ZapConvResidual does not broadcast. N is that of an input of the model. A constant of one number, or of
one per channel, is no residual: it is folded into the bias (`affine`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper, numpy_helper

from zaponnx.graph.constants import constant
from zaponnx.graph.editing import drop_unread, new_name, tensor_names
from zaponnx.graph.surgery import display_name
from zaponnx.graph.symbols import Shape, shape_text

if TYPE_CHECKING:
    from zaponnx.graph.matching import Match


@dataclass(frozen=True)
class Expansion:
    """What a constant residual has to become.

    Attributes:
        shape: The shape that it is repeated to, (N, M, H, W), or (1, M, H, W) if the batch is not fixed.
        batch: The input of the model whose batch it is then expanded to; "" if the batch is fixed.
    """

    shape: tuple[int, ...]
    batch: str


def expansion(add: gs.Node, data: gs.Tensor, graph: gs.Graph, shapes: Mapping[str, Shape]) -> Expansion | str | None:
    """How the constant that a node adds has to be expanded.

    Args:
        add: An Add or Sum of two operands.
        data: The operand that is no residual.
        graph: The main graph.
        shapes: The known shapes of its tensors.

    Returns:
        The expansion; None if the residual is not constant or has the shape already; or why it cannot be expanded.
    """
    residual = next(operand for operand in add.inputs if operand is not data)
    found, shape = constant(residual), shapes.get(data.name)
    if found is None or shape is None or tuple(found.shape) == shape:
        return None
    own = (1,) * (len(shape) - len(found.shape)) + tuple(found.shape)
    adds = f"{add.op} '{display_name(add)}' adds a constant of {shape_text(found.shape)} to {shape_text(shape)}"
    if len(own) > len(shape) or any(size not in (1, other) for size, other in zip(own, shape, strict=True)):
        return f"{adds}, and a residual must not be larger or broadcast what it is added to"
    batch, *rest = shape
    sizes = [size for size in rest if isinstance(size, int)]
    inputs = [str(value.name) for value in graph.inputs if batch in shapes.get(value.name, ())[:1]]
    if len(sizes) < len(rest) or not (isinstance(batch, int) or inputs):
        return f"{adds}, whose size is not fixed"
    return Expansion((batch, *sizes), "") if isinstance(batch, int) else Expansion((1, *sizes), inputs[0])


def expand_residuals(model: onnx.ModelProto, matches: Sequence[Match]) -> None:
    """Gives each match a residual of the shape of what it is added to.

    Args:
        model: The model; changed in place.
        matches: Matches of this model, which they are no longer where something was expanded.
    """
    names = tensor_names(model)
    replaced = set()
    for match in matches:
        if match.expansion is None or match.add is None or match.residual is None:
            continue
        place, add = next(
            (place, node) for place, node in enumerate(model.graph.node) if match.add.outputs[0].name in node.output
        )
        nodes, tensors = _expanded(match.residual, match.expansion, f"{match.output}/Z", names)
        add.input[:] = [
            (nodes[-1].output[0] if nodes else tensors[0].name) if name == match.residual.name else name
            for name in add.input
        ]
        for node in reversed(nodes):
            model.graph.node.insert(place, node)
        model.graph.initializer.extend(tensors)
        replaced.add(match.residual.name)
    drop_unread(model, replaced)


def _expanded(
    residual: gs.Tensor, to: Expansion, name: str, names: set[str]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """The nodes that expand a constant residual to the batch, none if it is fixed; and their constants, Z first."""

    def new(suffix: str) -> str:
        return new_name(f"{name}{suffix}", names)

    found = constant(residual)
    assert found is not None
    values = np.ascontiguousarray(np.broadcast_to(found.values, to.shape))
    if not to.batch:
        return [], [numpy_helper.from_array(values, new(""))]
    constants = {"/sample": values, "/first": np.array([0]), "/ones": np.ones(len(to.shape) - 1, np.int64)}
    tensors = [numpy_helper.from_array(array, new(suffix)) for suffix, array in constants.items()]
    sample, first, ones = (tensor.name for tensor in tensors)
    shape, batch, target = new("/input_shape"), new("/batch"), new("/shape")
    return [
        helper.make_node("Shape", [to.batch], [shape]),
        helper.make_node("Gather", [shape, first], [batch]),
        helper.make_node("Concat", [batch, ones], [target], axis=0),
        helper.make_node("Expand", [sample, target], [new("")]),
    ], tensors
