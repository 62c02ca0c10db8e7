"""All graphs, tensors and names of a model, those in subgraphs, functions and training included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx

ONNX_DOMAINS = ("", "ai.onnx")
"""The names of the domain of ONNX's own operators."""


def onnx_operator(node: onnx.NodeProto) -> str:
    """The ONNX operator that a node is, "" for one of another domain, whatever its name."""
    return str(node.op_type) if node.domain in ONNX_DOMAINS else ""


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all graphs in its nodes' attributes, at any depth."""
    yield graph
    yield from node_graphs(graph.node)


def node_graphs(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    """All graphs in the nodes' attributes, at any depth."""
    for node in nodes:
        for attribute in node.attribute:
            for subgraph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from graphs(subgraph)


def model_graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """The main graph, those of training, and all graphs in their nodes' attributes, at any depth."""
    training = [graph for info in model.training_info for graph in (info.initialization, info.algorithm)]
    for graph in (model.graph, *training):
        yield from graphs(graph)


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All tensors that may hold data, the main graph's initializers first."""
    yield from model.graph.initializer
    yield from inner_tensors(model)


def inner_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """The tensors that are no initializers of the main graph."""
    _, *inner = model_graphs(model)
    inner += [graph for function in model.functions for graph in node_graphs(function.node)]
    for graph in inner:
        yield from graph.initializer
    for graph in (model.graph, *inner):
        yield from (tensor for sparse in graph.sparse_initializer for tensor in (sparse.values, sparse.indices))
    attributes = [
        each for part in (model.graph, *inner, *model.functions) for node in part.node for each in node.attribute
    ]
    attributes += [default for function in model.functions for default in function.attribute_proto]
    for attribute in attributes:
        yield from [attribute.t] if attribute.HasField("t") else attribute.tensors
        sparse_tensors = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else attribute.sparse_tensors
        yield from (tensor for sparse in sparse_tensors for tensor in (sparse.values, sparse.indices))
