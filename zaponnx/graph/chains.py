"""Chains: the one node that reads what another writes, and the nodes on the way that change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_graphsurgeon as gs
from onnx import TensorProto

from zaponnx.graph.constants import constant
from zaponnx.graph.surgery import display_name, given_input, is_op


def sole_reader(node: gs.Node, graph: gs.Graph) -> gs.Node | str:
    """The one node that reads another's output, or why there is no such node."""
    output = node.outputs[0]
    of = "its output" if node.op == "Conv" else f"the output of {node.op} '{display_name(node)}'"
    if any(output is graph_output for graph_output in graph.outputs):
        return f"{of} is an output of the model"
    if len(output.outputs) != 1:
        return f"{of} {_fate(output)}"
    reader = output.outputs[0]
    if not any(reader is own for own in graph.nodes):
        return f"{of} is read inside a subgraph"
    return reader


def _fate(output: gs.Tensor) -> str:
    """Where a tensor goes that has no reader or several."""
    readers = list({id(reader): reader for reader in output.outputs}.values())
    others = [reader for reader in readers if not is_op(reader, "Relu", "Clip")]
    if not others:
        return f"goes to {len(readers)} ReLUs" if readers else "goes nowhere"
    name = f"{others[0].op} '{display_name(others[0])}'"
    if len(others) < len(readers):
        return f"is needed before its ReLU too, by {name}"
    return f"goes to {name} twice" if len(readers) == 1 else f"goes to {len(readers)} nodes, and none of them is a ReLU"


def has_no_effect(node: gs.Node) -> bool:
    """Whether a node gives its float32 input as it is, a Dropout if it is one of inference: see `dropout_obstacle`."""
    return is_op(node, *_NO_EFFECT) and _NO_EFFECT[node.op](node)


def dropout_obstacle(node: gs.Node, graph: gs.Graph) -> str:
    """Why a Dropout may have an effect, "" if it has none."""
    training = given_input(node, 2)
    found = None if training is None else constant(training)
    if training is not None and (found is None or found.values.any()):
        return f"Dropout '{display_name(node)}' is or may be in training mode"
    for mask in node.outputs[1:]:
        if mask.outputs or any(mask is output for output in graph.outputs):
            return f"the mask of Dropout '{display_name(node)}' is used"
    return ""


def _one_operand(node: gs.Node) -> bool:
    return len(node.inputs) == 1


_NO_EFFECT: Mapping[str, Callable[[gs.Node], bool]] = {
    "Cast": lambda node: bool(node.attrs.get("to") == TensorProto.FLOAT),
    "Dropout": lambda node: True,
    "Identity": lambda node: True,
    "Max": _one_operand,
    "Min": _one_operand,
    "Sum": _one_operand,
}
