"""Activations: the nodes that together are a ReLU, max(x, 0), or one with an upper bound, min(max(x, 0), bound).

Relu, Clip, Max and Min with a constant each clip to an interval, and so do several in a row:

    Relu    Clip(0, 6)    Relu → Clip(0, 6)    Min(Max(x, 0), 6)    Max(Min(x, 6), 0)    Relu → Identity → Min(x, 6)
"""

from __future__ import annotations

import math

import numpy as np
import onnx_graphsurgeon as gs

from zaponnx.graph.chains import has_no_effect, sole_reader
from zaponnx.graph.constants import constant
from zaponnx.graph.surgery import display_name, given_input, is_op

Interval = tuple[float, float]

_LARGEST = float(np.finfo(np.float32).max)
"""Clip's own default for its bounds, by magnitude: no bound."""


def clipped_interval(node: gs.Node) -> Interval | str | None:
    """The interval that a node clips its input to, why it is unknown, or None if the node does not clip."""
    if is_op(node, "Relu"):
        return 0, math.inf
    if is_op(node, "Max", "Min") and len(node.inputs) == 2:
        values = [_scalar(operand) for operand in node.inputs]
        if values.count(None) != 1:
            return None
        (value,) = (value for value in values if value is not None)
        return (value, math.inf) if node.op == "Max" else (-math.inf, value)
    if not is_op(node, "Clip"):
        return None
    bounds: list[float] = []
    for index, (name, default) in enumerate([("min", -math.inf), ("max", math.inf)], start=1):
        tensor = given_input(node, index)
        bound = float(node.attrs.get(name, default)) if tensor is None else _scalar(tensor)
        if bound is None:
            return f"the bounds of Clip '{display_name(node)}' are no constants"
        bounds.append(math.copysign(math.inf, bound) if abs(bound) >= _LARGEST else bound)
    return bounds[0], bounds[1]


def follow_activation(first: gs.Node, graph: gs.Graph) -> tuple[list[gs.Node], float] | str:
    """Follows the nodes that clip, and those of no effect between them, as far as they are a ReLU.

    Args:
        first: A node that clips.
        graph: The main graph.

    Returns:
        The nodes and the upper bound, infinite if there is none; or the reason why they are no ReLU.
    """
    nodes: list[gs.Node] = []
    low, high = -math.inf, math.inf
    found: tuple[list[gs.Node], float] | None = None
    reason = ""
    node: gs.Node | str = first
    while isinstance(node, gs.Node):
        nodes.append(node)
        if not has_no_effect(node):
            interval = clipped_interval(node)
            if interval is None:
                break
            if isinstance(interval, str):
                reason = interval
                break
            low, high = (min(max(end, interval[0]), interval[1]) for end in (low, high))
            reason = f"{node.op} '{display_name(node)}' clips to [{low:g}, {high:g}], which is no ReLU"
            if low == 0 < high and (found is None or high < found[1]):
                found = list(nodes), high
        node = sole_reader(node, graph)
    return found or reason


def _scalar(tensor: gs.Tensor) -> float | None:
    """The value of a constant of one element that broadcasts to any (N, C, H, W), None for all else."""
    found = constant(tensor)
    if found is None or len(found.shape) > 4 or math.prod(found.shape) != 1:
        return None
    return float(found.values.item())
