"""The random networks have what their properties are about."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress

from hypothesis import Phase, find, settings
from hypothesis.errors import NoSuchExample

from tests.property.conversions import Conversion
from tests.property.networks import NEWEST_OPSETS, Network, networks
from zaponnx.graph.constants import constant
from zaponnx.graph.converted import zap_convs
from zaponnx.graph.finding import find_matches
from zaponnx.graph.matching import Match
from zaponnx.operator import NHWC_OPERATORS

WHOLE = Conversion(seed=0, include_first=False, share=1.0, thresholds=(0.0,), per_channel=False)


def has_site(condition: Callable[[Match], bool]) -> Callable[[Network], bool]:
    return lambda network: any(map(condition, find_matches(network.model)[0]))


def refuses(words: str) -> Callable[[Network], bool]:
    return lambda network: any(words in refusal.reason for refusal in find_matches(network.model)[1])


def is_whole_constant(match: Match) -> bool:
    return match.residual is not None and match.expansion is None and constant(match.residual) is not None


def nhwc_region(network: Network) -> bool:
    nodes = zap_convs(WHOLE.convert(WHOLE.dense(network.model)))
    return sum(node.op_type in NHWC_OPERATORS for node in nodes) > 1


KINDS: dict[str, Callable[[Network], bool]] = {
    "a plain site": has_site(lambda match: match.residual is None),
    "a residual": has_site(lambda match: match.residual is not None),
    "a constant residual": has_site(lambda match: match.expansion is not None),
    "a constant residual of the whole shape": has_site(is_whole_constant),
    "a ReLU6": has_site(lambda match: match.bound < math.inf),
    "a folded map": has_site(lambda match: not match.affine.is_identity),
    "a site of many nodes": has_site(lambda match: len(match.nodes) > 4),
    "many sites": lambda network: len(find_matches(network.model)[0]) > 3,
    "a region in NHWC": nhwc_region,
    "a Conv in a subgraph": refuses("inside a subgraph"),
    "a Conv in a function": refuses("inside the function"),
    "a residual that may broadcast": refuses("must not broadcast"),
    "two Convs of a sum": refuses("which has more MACs"),
    "initializers as inputs": lambda network: len(network.model.graph.input) > 2,
    "a name of convert": lambda network: any("/" in node.output[0] for node in network.model.graph.node),
    "the oldest opset": lambda network: network.model.opset_import[0].version == NEWEST_OPSETS[0],
    "the newest opset": lambda network: network.model.opset_import[0].version == NEWEST_OPSETS[-1],
    "dynamic sizes": lambda network: network.model.graph.input[0].type.tensor_type.shape.dim[2].dim_value == 0,
}


def test_there_are_networks_of_all_kinds() -> None:
    missing = set(KINDS)

    def completes(network: Network) -> bool:
        missing.difference_update([kind for kind in missing if KINDS[kind](network)])
        return not missing

    with suppress(NoSuchExample):
        find(
            networks(newest=True),
            completes,
            settings=settings(max_examples=1000, phases=[Phase.generate], derandomize=True),
        )
    assert not missing
