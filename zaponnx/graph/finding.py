"""Finds the sites of a model: reads a ModelProto, says where ZapConv can go, and why it cannot go elsewhere.

Cases: Conv → [affine maps of its channels] → [Add residual] → ReLU, with an upper bound or without, in the main graph.
A batch norm is such a map, and so is a constant per channel that is added or multiplied (`affine`); a ReLU has many
forms (`activations`); nodes that change nothing may lie between (`chains`). Each Conv is matched (`matching`), then
checked (`checking`); either gives the reason when it fails. Where both operands of an Add match, the one with more work
is the site and the other stays dense: both have the same output, so MACs per output decide. Convolutions that are not
ONNX's Conv are refused by name (`convolutions`).
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

import onnx
import onnx_graphsurgeon as gs

from zaponnx.graph.checking import check
from zaponnx.graph.convolutions import Functions, is_convolution, other_convolution
from zaponnx.graph.matching import Match, match
from zaponnx.graph.shapes import infer_shapes
from zaponnx.graph.site import Refusal, Site
from zaponnx.graph.surgery import display_name, import_graph
from zaponnx.operator import DOMAIN, OPERATORS


def find_sites(model: onnx.ModelProto, *, include_first: bool = False) -> tuple[list[Site], list[Refusal]]:
    """The sites of a model and the convolutions that are none, both in the model's order.

    Args:
        model: A model of any opset, with its weights loaded.
        include_first: Whether a Conv that no other Conv precedes can be a site. The method leaves it dense.
    """
    matches, refusals = find_matches(model, include_first=include_first)
    return [to_site(found) for found in matches], refusals


def find_matches(model: onnx.ModelProto, *, include_first: bool = False) -> tuple[list[Match], list[Refusal]]:
    """As `find_sites`, with the nodes of each site."""
    graph = import_graph(model)
    shapes = infer_shapes(model, graph)
    functions = {(function.domain, function.name) for function in model.functions}
    first = _first_convs(graph, functions)

    def verdict(conv: gs.Node) -> Match | str:
        if other := other_convolution(conv.domain or "", conv.op, functions):
            return other
        found = match(conv, graph, shapes)
        reason = found if isinstance(found, str) else check(found, graph, shapes)
        if not reason and id(conv) in first and not include_first:
            reason = "it is the first convolution of the network"
        return reason or found

    verdicts = [(conv, verdict(conv)) for conv in _convolutions(graph.nodes, functions)]
    best: dict[str, Match] = {}
    for _, found in verdicts:
        if isinstance(found, Match):
            best[found.output] = max(best.get(found.output, found), found, key=attrgetter("macs_per_output"))
    matches, refusals = [], []
    for conv, found in verdicts:
        if isinstance(found, str):
            refusals.append(Refusal(display_name(conv), found))
        elif found is not best[found.output]:
            rival = display_name(best[found.output].conv)
            refusals.append(Refusal(display_name(conv), f"it is the residual of '{rival}', which has more MACs"))
        else:
            matches.append(found)
    return matches, refusals + _nested_refusals(graph, functions)


def to_site(found: Match) -> Site:
    """What the artifacts and the reports need to know of a match that passed the check."""
    return Site(
        name=display_name(found.conv),
        output=found.output,
        residual=found.residual.name if found.residual is not None else "",
        channels=found.weights.shape[0],
        macs_per_output=found.macs_per_output,
        bound=found.bound,
    )


def _convolutions(nodes: Iterable[gs.Node], functions: Functions) -> list[gs.Node]:
    return [node for node in nodes if is_convolution(node.domain or "", node.op, functions)]


def _first_convs(graph: gs.Graph, functions: Functions) -> set[int]:
    """The ids of the Convs that no other convolution precedes."""
    first = set()
    behind: set[str] = set()
    convolutions = {id(node) for node in _convolutions(graph.nodes, functions)}
    for node in graph.nodes:
        convolution = id(node) in convolutions or (node.domain == DOMAIN and node.op in OPERATORS)
        preceded = any(tensor.name in behind for tensor in node.inputs)
        if convolution and not preceded:
            first.add(id(node))
        if convolution or preceded:
            behind.update(tensor.name for tensor in node.outputs)
    return first


def _nested_refusals(graph: gs.Graph, functions: Functions) -> list[Refusal]:
    """The convolutions in subgraphs, at any depth, and in model-local functions."""
    return [
        Refusal(display_name(conv), f"it is inside a subgraph of {node.op} '{display_name(node)}'")
        for node in graph.nodes
        for conv in _convolutions(_inner_nodes(node), functions)
    ] + [
        Refusal(display_name(conv), f"it is inside the function '{function.name}'")
        for function in graph.functions
        if function.domain != DOMAIN
        for node in function.nodes
        for conv in _convolutions([node, *_inner_nodes(node)], functions)
    ]


def _inner_nodes(node: gs.Node) -> list[gs.Node]:
    """The nodes in a node's subgraphs, at any depth."""
    return [inner for subgraph in node.subgraphs(recursive=True) for inner in subgraph.nodes]
