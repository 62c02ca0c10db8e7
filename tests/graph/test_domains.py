"""Operators of other domains that are named like ONNX's are not taken for these."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import helper

from zaponnx.graph.converted import zap_convs
from zaponnx.graph.finding import find_sites

ModelBuilder = Callable[..., onnx.ModelProto]

CONV = "c = Conv<pads=[1,1,1,1]>(s, v)"
SITE = "CONV i = Identity(c) n = BatchNormalization(i, scale, shift, mean, var) a = Add(n, s) y = Relu(a)"


def renamed(model: onnx.ModelProto, output: str, domain: str = "com.other") -> onnx.ModelProto:
    """Moves the node that writes a tensor to another domain."""
    next(node for node in model.graph.node if output in node.output).domain = domain
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


@pytest.mark.parametrize("output", ["c", "i", "n", "a", "y"])
def test_only_nodes_of_onnx_make_a_site(network: ModelBuilder, output: str) -> None:
    assert len(find_sites(network(SITE))[0]) == 1
    assert find_sites(renamed(network(SITE), output))[0] == []


@pytest.mark.parametrize("operator", ["Identity", "Transpose<perm=[0,1,2,3]>", "Reshape"])
def test_only_nodes_of_onnx_make_constants(network: ModelBuilder, operator: str) -> None:
    inputs = "W, shape" if operator == "Reshape" else "W"
    text = f"shape = Constant<value_ints=[8,8,3,3]>() v = {operator}({inputs}) {CONV} y = Relu(c)"
    assert len(find_sites(network(text))[0]) == 1
    sites, refusals = find_sites(renamed(network(text), "v"))
    assert sites == []
    assert refusals[1].reason == "its weights are computed or an input, not constant"


def test_unread_nodes_of_other_domains_stay(network: ModelBuilder, convert: Callable[..., onnx.ModelProto]) -> None:
    """Constants go with the nodes that made them, if these are ONNX's."""
    text = f"v = Identity(scale) w = Identity(v) {SITE.replace('(i, scale', '(i, w')}"
    model = convert(network(text))
    assert zap_convs(model)
    assert [node.output[0] for node in model.graph.node] == ["c0", "s", "y"]
    model = convert(renamed(network(f"{text} u = Identity(w)"), "u"))
    assert [node.output[0] for node in model.graph.node] == ["c0", "s", "v", "w", "y", "u"]
