"""Affine maps: what BatchNormalization, or a constant that is added or multiplied, does to each channel of a Conv.

    y = scale · x + shift, one scale and one shift per channel

    BatchNormalization(x, s, b, mean, var)    scale = s / sqrt(var + epsilon), shift = b − mean · scale
    Mul(x, c), Div(x, c)                      scale = c, 1 / c
    Add(x, c), Sum(x, c), Sub(x, c)           shift = c, c, −c
    Sub(c, x)                                 scale = −1, shift = c

A constant c is a scalar or has one number per channel, so that it broadcasts along N, H and W. Values are float64, so
that folding several maps into weights and bias adds one rounding only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs

from zaponnx.graph.constants import constant
from zaponnx.graph.surgery import display_name, is_op

Channels = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """y = scale · x + shift.

    Attributes:
        scale, shift: One number per channel, (M,).
    """

    scale: Channels
    shift: Channels

    @classmethod
    def identity(cls, channels: int) -> Affine:
        """y = x."""
        return cls(np.ones(channels), np.zeros(channels))

    @property
    def is_identity(self) -> bool:
        """Whether y = x."""
        return bool((self.scale == 1).all() and (self.shift == 0).all())

    def then(self, after: Affine) -> Affine:
        """This map with another one behind it."""
        return Affine(after.scale * self.scale, after.scale * self.shift + after.shift)


def affine_map(node: gs.Node, data: gs.Tensor, channels: int) -> Affine | str | None:
    """The map that a node applies to a tensor (N, M, H, W).

    Args:
        node: A node that reads the tensor.
        data: The tensor.
        channels: M.

    Returns:
        The map; None if the node is none of the above; or the reason why it is no such map, though its operator is.
    """
    with np.errstate(all="ignore"):
        found = _batch_norm(node, data) if is_op(node, "BatchNormalization") else _arithmetic(node, data, channels)
    if isinstance(found, Affine) and not np.isfinite([found.scale, found.shift]).all():
        return f"{node.op} '{display_name(node)}' has constants that make infinite values or NaN"
    return found


def _batch_norm(node: gs.Node, data: gs.Tensor) -> Affine | str | None:
    if node.inputs[0] is not data:
        return None
    name = f"BatchNormalization '{display_name(node)}'"
    if node.attrs.get("training_mode", 0) or any(not output.is_empty() for output in node.outputs[1:]):
        return f"{name} is in training mode"
    if not node.attrs.get("spatial", 1):
        return f"{name} has statistics per pixel"
    parameters = [constant(parameter) for parameter in node.inputs[1:]]
    known = [parameter.values.astype(np.float64) for parameter in parameters if parameter is not None]
    if len(known) < len(parameters):
        return f"the parameters of {name} are computed or inputs, not constant"
    scale, shift, mean, variance = known
    factor = scale / np.sqrt(variance + node.attrs.get("epsilon", 1e-5))
    return Affine(factor, shift - mean * factor)


def _arithmetic(node: gs.Node, data: gs.Tensor, channels: int) -> Affine | str | None:
    if not is_op(node, "Add", "Sub", "Mul", "Div", "Sum") or len(node.inputs) != 2:
        return None
    first = node.inputs[0] is data
    found = constant(node.inputs[1 if first else 0])
    if found is None or (node.op == "Div" and not first):
        return None
    values = _per_channel(found, channels)
    if values is None and node.op in ("Add", "Sum"):
        return None  # It may be a residual.
    if values is None:
        shape = "×".join(map(str, found.shape))
        return f"{node.op} '{display_name(node)}' has a constant of {shape}, which is not one number per channel"
    ones, zeros = np.ones(channels), np.zeros(channels)
    if node.op in ("Mul", "Div"):
        return Affine(values if node.op == "Mul" else ones / values, zeros)
    if node.op == "Sub":
        return Affine(ones, -values) if first else Affine(-ones, values)
    return Affine(ones, values)


def _per_channel(found: gs.Constant, channels: int) -> Channels | None:
    """A constant's values, one per channel; None if it varies along N, H or W."""
    shape = [1] * (4 - len(found.shape)) + list(found.shape)
    if shape not in ([1, 1, 1, 1], [1, channels, 1, 1]):
        return None
    return np.broadcast_to(found.values.astype(np.float64).reshape(-1), channels)
