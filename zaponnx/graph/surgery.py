"""onnx-graphsurgeon, kept quiet, and the few questions that all passes ask of its graphs."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import onnx
import onnx_graphsurgeon as gs
from onnx_graphsurgeon.ir.tensor import LazyValues
from onnx_graphsurgeon.logger import G_LOGGER

from zaponnx.graph.upgrading import INPUT_INITIALIZERS_ARE_CONSTANTS
from zaponnx.traversal import ONNX_DOMAINS
from zaponnx.weights import extent, values


class _OnDisk(LazyValues):  # type: ignore[misc] # onnx-graphsurgeon has no types
    """The values of an initializer that is on disk, read when they are first asked for."""

    def load(self) -> npt.NDArray[Any]:
        return values(self.tensor)


def import_graph(model: onnx.ModelProto) -> gs.Graph:
    """The model as an onnx-graphsurgeon graph; the tensors' data are shared with the model, or stay on disk.

    Initializers that are inputs too are mere defaults: they become variables. So do sparse ones, which nobody folds.
    """
    # It logs to stdout, which is for data.
    with G_LOGGER.suppress():
        graph = gs.import_onnx(model)
    on_disk = {tensor.name: _OnDisk(tensor) for tensor in model.graph.initializer if extent(tensor)}
    for name, tensor in graph.tensors().items():
        if name in on_disk:
            tensor.values = on_disk[name]
    variables = {tensor.values.name for tensor in model.graph.sparse_initializer}
    if model.ir_version > INPUT_INITIALIZERS_ARE_CONSTANTS:
        variables.update(value.name for value in model.graph.input)
    for name, tensor in graph.tensors().items():
        if name in variables and isinstance(tensor, gs.Constant):
            tensor.to_variable(tensor.dtype, tensor.shape)
    return graph


def export_node(node: gs.Node, opset: int) -> tuple[onnx.NodeProto, list[onnx.TensorProto]]:
    """A new node as a protobuf, and its constant inputs as initializers."""
    with G_LOGGER.suppress():
        graph = gs.export_onnx(gs.Graph([node], opset=opset)).graph
    return graph.node[0], list(graph.initializer)


def is_op(node: gs.Node, *types: str) -> bool:
    """Whether the node is one of these operators of the ONNX domain."""
    return node.op in types and (node.domain or "") in ONNX_DOMAINS


def display_name(node: gs.Node) -> str:
    """The node's name, or its first output's if it has none."""
    return str(node.name or node.outputs[0].name)


def given_input(node: gs.Node, index: int) -> gs.Tensor | None:
    """An optional input of a node, None if it is left out."""
    if index < len(node.inputs) and not node.inputs[index].is_empty():
        return node.inputs[index]
    return None
