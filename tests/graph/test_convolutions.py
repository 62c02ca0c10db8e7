"""Convolutions that are not ONNX's Conv are listed with a reason each, and counted where their work is known."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import helper

from zaponnx.graph.convolutions import is_convolution, other_convolution
from zaponnx.graph.finding import find_sites
from zaponnx.graph.site import Refusal
from zaponnx.macs import conv_work
from zaponnx.operator import DOMAIN

ModelBuilder = Callable[..., onnx.ModelProto]

ONLY_CONV = "it is a {}, and only Conv can become ZapConv"
QUANTIZED = "it is a {}, whose numbers are quantized: give the float32 model"
FOREIGN = "it is {} of the domain '{}', not ONNX's Conv"


@pytest.mark.parametrize(
    ("domain", "operator", "reason"),
    [
        ("", "ConvTranspose", ONLY_CONV.format("ConvTranspose")),
        ("ai.onnx", "DeformConv", ONLY_CONV.format("DeformConv")),
        ("", "QLinearConv", QUANTIZED.format("QLinearConv")),
        ("", "ConvInteger", QUANTIZED.format("ConvInteger")),
        ("com.microsoft", "FusedConv", FOREIGN.format("FusedConv", "com.microsoft") + ": give the model as it was"),
        ("com.microsoft.nchwc", "Conv", FOREIGN.format("Conv", "com.microsoft.nchwc") + ": give the model as it was"),
        ("com.user", "SparseConv2d", FOREIGN.format("SparseConv2d", "com.user")),
        ("com.user", "Conv", FOREIGN.format("Conv", "com.user")),
    ],
)
def test_reasons(domain: str, operator: str, reason: str) -> None:
    found = other_convolution(domain, operator, ())
    assert found is not None
    assert found.startswith(reason)
    assert is_convolution(domain, operator, ())


@pytest.mark.parametrize(
    ("domain", "operator", "convolution"),
    [("", "Conv", True), ("ai.onnx", "Conv", True), ("", "Relu", False), (DOMAIN, "ZapConv", False)],
)
def test_others_have_none(domain: str, operator: str, convolution: bool) -> None:
    assert other_convolution(domain, operator, ()) is None
    assert is_convolution(domain, operator, ()) == convolution


def test_calls_of_functions_are_no_convolutions() -> None:
    assert other_convolution("local", "ConvBlock", {("local", "ConvBlock")}) is None
    assert other_convolution("local", "ConvBlock", {("other", "ConvBlock")}) is not None


def with_others(network: ModelBuilder) -> onnx.ModelProto:
    """x (N, 4, 12, 11) → s (N, 8, 12, 11) → ConvTranspose → u (N, 8, 24, 22) → custom Conv → Conv → y."""
    nodes = """[up] u = ConvTranspose<strides=[2,2]>(s, V) [own] o = com.user.Conv(u)
        [conv] c = Conv<pads=[1,1,1,1]>(o, W) y = Relu(c)"""
    model = network(nodes, V=(8, 8, 2, 2))
    model.opset_import.append(helper.make_opsetid("com.user", 1))
    return model


def test_they_are_refused_in_the_models_order(network: ModelBuilder) -> None:
    sites, refusals = find_sites(with_others(network))
    assert [site.name for site in sites] == ["conv"]
    assert [refusal.name for refusal in refusals] == ["stem", "up", "own"]
    assert refusals[1] == Refusal("up", ONLY_CONV.format("ConvTranspose"))


def test_their_work_is_counted_where_it_is_known(network: ModelBuilder) -> None:
    work = conv_work(with_others(network))
    assert list(work) == ["c0", "u", "o", "c"]
    assert work["u"].macs == 8 * 12 * 11 * 8 * 2 * 2
    assert work["o"].macs is work["c"].macs is None


@pytest.mark.parametrize("convolved", [False, True])
def test_a_convolution_of_another_kind_may_be_the_first(build_model: ModelBuilder, convolved: bool) -> None:
    """Then the Conv behind it is not."""
    first = "s = ConvTranspose(x, V)" if convolved else "s = Sigmoid(x)"
    text = f"(float[N,8,9,9] x) => (float[N,8,h,w] y) {{ {first} [conv] c = Conv(s, W) y = Relu(c) }}"
    sites, _ = find_sites(build_model(text, W=(8, 8, 3, 3), V=(8, 8, 1, 1)))
    assert len(sites) == convolved


def test_those_inside_others_are_refused_too(network: ModelBuilder) -> None:
    branches = """[if] y = If(b) <then_branch = then () => (t) { [up] t = ConvTranspose(s, U) },
        else_branch = else () => (e) { e = Identity(s) }>"""
    refusals = find_sites(network(branches, inputs="bool b,", U=(8, 8, 1, 1)))[1]
    assert refusals[1] == Refusal("up", "it is inside a subgraph of If 'if'")
