"""Edits of a model's protobuf that all passes need: new names, and dropping what nothing reads any more."""

from __future__ import annotations

import onnx

from zaponnx.graph.constants import CONSTANT_OPERATORS
from zaponnx.graph.converted import zap_convs
from zaponnx.graph.upgrading import opset_version
from zaponnx.operator import DOMAIN, VERSION
from zaponnx.operator.body import build_body
from zaponnx.traversal import model_graphs, onnx_operator


def tensor_names(model: onnx.ModelProto) -> set[str]:
    """All names of tensors, those in subgraphs and of training too."""
    names: set[str] = set()
    for graph in model_graphs(model):
        names.update(tensor.name for tensor in (*graph.initializer, *graph.input))
        names.update(tensor.values.name for tensor in graph.sparse_initializer)
        names.update(name for node in graph.node for name in (*node.input, *node.output))
    return names


def new_name(wanted: str, names: set[str]) -> str:
    """The wanted name with underscores behind it until it is not in `names`, to which it is added."""
    while wanted in names:
        wanted += "_"
    names.add(wanted)
    return wanted


def drop_unread(model: onnx.ModelProto, candidates: set[str]) -> None:
    """Drops those of the candidate tensors that nothing reads any more, and the constants that they came from.

    Candidates are tensors of the main graph. What training reads, binds or updates is read.
    """
    graph = model.graph
    while True:
        unread = candidates - _read(model)
        dead = [
            index
            for index, node in enumerate(graph.node)
            if onnx_operator(node) in CONSTANT_OPERATORS and set(node.output) <= unread
        ]
        if not dead:
            break
        for index in reversed(dead):
            candidates = candidates | set(graph.node[index].input)
            del graph.node[index]
    for field, attribute in (
        ("initializer", "name"),
        ("value_info", "name"),
        ("quantization_annotation", "tensor_name"),
    ):
        items = getattr(graph, field)
        for index in reversed(range(len(items))):
            if getattr(items[index], attribute) in unread:
                del items[index]


def _read(model: onnx.ModelProto) -> set[str]:
    """The tensors that a node, an output, an annotation or training refers to."""
    read: set[str] = set()
    for graph in model_graphs(model):
        read.update(name for node in graph.node for name in node.input)
        read.update(value.name for value in graph.output)
        read.update(
            entry.value for each in graph.quantization_annotation for entry in each.quant_parameter_tensor_names
        )
    for info in model.training_info:
        bindings = (*info.initialization_binding, *info.update_binding)
        read.update(name for binding in bindings for name in (binding.key, binding.value))
    return read


def declare_operators(model: onnx.ModelProto) -> None:
    """Gives the model the domain and the bodies of the operators that it uses, and takes the other bodies away."""
    used = {node.op_type for node in zap_convs(model)}
    if used and all(entry.domain != DOMAIN for entry in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, VERSION))
    for index in reversed(range(len(model.functions))):
        function = model.functions[index]
        if function.domain == DOMAIN and function.name not in used:
            del model.functions[index]
    present = {function.name for function in model.functions if function.domain == DOMAIN}
    model.functions.extend(build_body(operator, opset_version(model, "convert")) for operator in sorted(used - present))
