"""Makes a copy of a model that onnx2torch can import.

It wants weights to be initializers; so whatever is constant becomes one, as what an Identity makes of an initializer,
and initializers keep their names. It knows the operators up to opset 17. Those of later ones that it knows of old have
new types since then, and the axes of reductions are inputs, which become attributes again. Reshape's allowzero, which
it refuses, matters to empty tensors only. Should more be different, it is found out: every import is checked.
"""

from __future__ import annotations

import onnx
import onnx_graphsurgeon as gs
from onnx import helper, numpy_helper

from zaponnx.graph.constants import constant
from zaponnx.graph.surgery import import_graph
from zaponnx.traversal import ONNX_DOMAINS
from zaponnx.weights import hold, values

_LAST_OPSET = 17

_REDUCTIONS = {
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSumSquare"),
}
"""Those whose axes are an input since opset 18."""


def importable(model: onnx.ModelProto) -> onnx.ModelProto:
    """The copy: all weights in memory, node `i` of the model named "node_i", and no constant made by a node."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for place, node in enumerate(copy.graph.node):
        node.name = f"node_{place}"
        node.domain = "" if node.domain in ONNX_DOMAINS else node.domain
    _hold_constants(copy.graph, _constants(model))
    _to_known_forms(copy.graph)
    for entry in copy.opset_import:
        if entry.domain in ONNX_DOMAINS:
            entry.domain, entry.version = "", min(entry.version, _LAST_OPSET)
    for tensor in copy.graph.initializer:
        hold(tensor)
    return copy


def _constants(model: onnx.ModelProto) -> dict[str, gs.Constant]:
    """The tensors that nodes write and that are constant, and what they are."""
    outputs = [tensor for node in import_graph(model).nodes for tensor in node.outputs]
    return {str(tensor.name): found for tensor in outputs if (found := constant(tensor)) is not None}


def _hold_constants(graph: onnx.GraphProto, constants: dict[str, gs.Constant]) -> None:
    """Makes the constants initializers and takes out the nodes that wrote them, but for outputs of the model."""
    initializers = {tensor.name for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    names = {name: str(found.name) for name, found in constants.items() if name not in outputs}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    for index in reversed(range(len(graph.node))):
        if all(name in names for name in graph.node[index].output):
            del graph.node[index]
    for name in names:
        found = constants[name]
        if found.name not in initializers:
            initializers.add(found.name)
            graph.initializer.append(numpy_helper.from_array(found.values, found.name))


def _to_known_forms(graph: onnx.GraphProto) -> None:
    """Makes the constant axes of reductions attributes, and takes allowzero from Reshapes."""
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type in _REDUCTIONS and node.input[1:2] and node.input[1] in initializers:
            axes = values(initializers[node.input[1]]).tolist()
            del node.input[1:]
            node.attribute.append(helper.make_attribute("axes", axes))
        if node.op_type == "Reshape":
            del node.attribute[:]
