"""onnx-graphsurgeon, kept quiet, and the few questions that all passes ask of its graphs."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx_graphsurgeon.logger import G_LOGGER

from zaponnx.graph.upgrading import INPUT_INITIALIZERS_ARE_CONSTANTS

_ONNX_DOMAINS = (None, "", "ai.onnx")


def import_graph(model: onnx.ModelProto) -> gs.Graph:
    """The model as an onnx-graphsurgeon graph; the tensors' data are shared with the model.

    Initializers that are inputs too are mere defaults: they become variables.
    """
    # It logs to stdout, which is for data.
    with G_LOGGER.suppress():
        graph = gs.import_onnx(model)
    if model.ir_version > INPUT_INITIALIZERS_ARE_CONSTANTS:
        inputs = {value.name for value in model.graph.input}
        for name, tensor in graph.tensors().items():
            if name in inputs and isinstance(tensor, gs.Constant):
                tensor.to_variable(tensor.dtype, tensor.shape)
    return graph


def export_node(node: gs.Node, opset: int) -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    """A new node as a protobuf, and its constant inputs as initializers."""
    with G_LOGGER.suppress():
        graph = gs.export_onnx(gs.Graph([node], opset=opset)).graph
    return graph.node[0], list(graph.initializer)


def is_op(node: gs.Node, *types: str) -> bool:
    """Whether the node is one of these operators of the ONNX domain."""
    return node.op in types and node.domain in _ONNX_DOMAINS


def display_name(node: gs.Node) -> str:
    """The node's name, or its first output's if it has none."""
    return str(node.name or node.outputs[0].name)


def constant(tensor: gs.Tensor) -> gs.Constant | None:
    """An initializer or what a Constant node gives, also behind Identity; None if the tensor is computed."""
    if isinstance(tensor, gs.Constant):
        return tensor
    producer = tensor.inputs[0] if tensor.inputs else None
    if producer is None:
        return None
    if is_op(producer, "Identity"):
        return constant(producer.inputs[0])
    if is_op(producer, "Constant") and "value_float" in producer.attrs:
        return gs.Constant(tensor.name, np.array(producer.attrs["value_float"], np.float32))
    return producer.attrs.get("value") if is_op(producer, "Constant") else None


def given_input(node: gs.Node, index: int) -> gs.Tensor | None:
    """An optional input of a node, None if it is left out."""
    if index < len(node.inputs) and not node.inputs[index].is_empty():
        return node.inputs[index]
    return None
