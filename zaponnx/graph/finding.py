"""Finds the sites of a model: reads a ModelProto, says where ZapConv can go, and why it cannot go elsewhere.

Cases: Conv → [affine maps of its channels] → [Add residual] → ReLU, with an upper bound or without, in the main graph.
A batch norm is such a map, and so is a constant per channel that is added or multiplied (`affine`); a ReLU has many
forms (`activations`); nodes that change nothing may lie between (`chains`). Each Conv is matched (`matching`), then
checked (`checking`); either gives the reason when it fails. Where both operands of an Add match, the one with more work
is the site and the other stays dense: both have the same output, so MACs per output decide.
"""

from __future__ import annotations

from operator import attrgetter

import onnx
import onnx_graphsurgeon as gs

from zaponnx.graph.checking import check
from zaponnx.graph.matching import Match, match
from zaponnx.graph.shapes import infer_shapes
from zaponnx.graph.site import Refusal, Site
from zaponnx.graph.surgery import display_name, import_graph, is_op
from zaponnx.operator import DOMAIN, OPERATORS


def find_sites(model: onnx.ModelProto, *, include_first: bool = False) -> tuple[list[Site], list[Refusal]]:
    """The sites of a model and the Convs that are none, both in the model's order.

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
    first = _first_convs(graph)

    def verdict(conv: gs.Node) -> Match | str:
        found = match(conv, graph, shapes)
        reason = found if isinstance(found, str) else check(found, graph, shapes)
        if not reason and id(conv) in first and not include_first:
            reason = "it is the first convolution of the network"
        return reason or found

    verdicts = [(conv, verdict(conv)) for conv in graph.nodes if is_op(conv, "Conv")]
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
    return matches, refusals + _nested_refusals(graph)


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


def _first_convs(graph: gs.Graph) -> set[int]:
    """The ids of the Convs that no other convolution precedes."""
    first = set()
    behind: set[str] = set()
    for node in graph.nodes:
        convolution = is_op(node, "Conv") or (node.domain == DOMAIN and node.op in OPERATORS)
        preceded = any(tensor.name in behind for tensor in node.inputs)
        if convolution and not preceded:
            first.add(id(node))
        if convolution or preceded:
            behind.update(tensor.name for tensor in node.outputs)
    return first


def _nested_refusals(graph: gs.Graph) -> list[Refusal]:
    """The Convs in subgraphs, at any depth, and in model-local functions."""
    return [
        Refusal(display_name(conv), f"it is inside a subgraph of {node.op} '{display_name(node)}'")
        for node in graph.nodes
        for conv in _convs_in_subgraphs(node)
    ] + [
        Refusal(display_name(conv), f"it is inside the function '{function.name}'")
        for function in graph.functions
        if function.domain != DOMAIN
        for node in function.nodes
        for conv in ([node] if is_op(node, "Conv") else _convs_in_subgraphs(node))
    ]


def _convs_in_subgraphs(node: gs.Node) -> list[gs.Node]:
    return [conv for subgraph in node.subgraphs(recursive=True) for conv in subgraph.nodes if is_op(conv, "Conv")]
