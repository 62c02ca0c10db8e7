"""Activations: every form of ReLU and of ReLU with an upper bound is found, converted and equal to the original."""

from __future__ import annotations

import math
from collections.abc import Callable

import onnx
import pytest

from zaponnx.graph.converted import attributes, zap_convs
from zaponnx.graph.finding import find_sites

ModelBuilder = Callable[..., onnx.ModelProto]

BOUNDS = "zero = Constant<value = float {0.0}>() half = Constant<value = float {0.5}>()"
FORMS = {
    "relu": ("y = Relu(c)", math.inf, 7),
    "clip with attributes": ("y = Clip<min=0.0, max=0.5>(c)", 0.5, 7),
    "clip with one attribute": ("y = Clip<min=0.0>(c)", math.inf, 9),
    "clip with constants": ("y = Clip(c, zero, half)", 0.5, 11),
    "clip without an upper bound": ("y = Clip(c, zero)", math.inf, 12),
    "clip to infinity": ("i = Constant<value_float=inf>() y = Clip(c, zero, i)", math.inf, 17),
    "clip to the largest number": ("m = Constant<value_float=3.4028235e38>() y = Clip(c, zero, m)", math.inf, 17),
    "max": ("y = Max(c, zero)", math.inf, 13),
    "min of max": ("m = Max(zero, c) y = Min(m, half)", 0.5, 8),
    "max of min": ("m = Min(half, c) y = Max(m, zero)", 0.5, 13),
    "min of relu": ("r = Relu(c) y = Min(r, half)", 0.5, 17),
    "a tensor of one element": ("f = Constant<value = float[1,1,1] {0.5}>() r = Relu(c) y = Min(r, f)", 0.5, 17),
    "clip of relu": ('r = Relu(c) y = Clip(r, "", half)', 0.5, 17),
    "relu of clip": ("m = Clip<min=-1.0, max=0.5>(c) y = Relu(m)", 0.5, 10),
    "relu6 of relu": ("r = Relu(c) y = Clip(r, zero, half)", 0.5, 17),
    "the smallest of two bounds": ("o = Constant<value_float=1.0>() r = Clip(c, zero, o) y = Min(r, half)", 0.5, 17),
    "behind others of no effect": ("r = Relu(c) d = Dropout(r) i = Identity(d) y = Min(i, half)", 0.5, 17),
    "of one operand": ("m = Max(c) r = Relu(m) y = Min(r)", math.inf, 17),
}


@pytest.mark.parametrize(("nodes", "bound", "opset"), FORMS.values(), ids=FORMS.keys())
def test_forms(network: ModelBuilder, assert_equal: ModelBuilder, nodes: str, bound: float, opset: int) -> None:
    converted = assert_equal(network(f"CONV {BOUNDS} {nodes}", opset=opset))
    assert attributes(zap_convs(converted)[0])["bound"] == bound


ENDS = {
    "nothing follows": ("r = Relu(c) y = Sigmoid(r)", "r"),
    "the same again": ("r = Relu(c) q = Relu(r) y = Clip(q, zero)", "r"),
    "no effect": ("r = Relu(c) i = Identity(r) y = Sigmoid(i)", "r"),
    "two readers": ("r = Relu(c) m = Min(r, half) y = Add(r, m)", "r"),
    "another lower bound": ("r = Relu(c) y = Max(r, half)", "r"),
    "an interval from above zero": ("r = Relu(c) o = Neg(half) y = Clip(r, half, o)", "r"),
    "a bound that is computed": ("h = Exp(half) r = Relu(c) y = Clip(r, zero, h)", "r"),
    "a smaller bound": ("q = Clip(c, zero, half) e = Constant<value_float=0.25>() y = Min(q, e)", "y"),
}


@pytest.mark.parametrize(("nodes", "output"), ENDS.values(), ids=ENDS.keys())
def test_where_it_ends(network: ModelBuilder, nodes: str, output: str) -> None:
    """At the last node that makes the bound smaller; from there on the graph is left as it is."""
    sites, _ = find_sites(network(f"CONV {BOUNDS} {nodes}"))
    assert [site.output for site in sites] == [output]


def test_a_relu_that_is_an_output_of_the_model_is_the_end(network: ModelBuilder) -> None:
    model = network(f"CONV {BOUNDS} r = Relu(c) y = Min(r, half)")
    model.graph.output.append(onnx.helper.make_tensor_value_info("r", onnx.TensorProto.FLOAT, None))
    assert [site.output for site in find_sites(model)[0]] == ["r"]


REFUSED = {
    "bounded above only": ("y = Min(c, half)", "Min 'y' clips to [-inf, 0.5], which is no ReLU"),
    "another lower bound": ("m = Max(c, half) y = Min(m, half)", "Min 'y' clips to [0.5, 0.5], which is no ReLU"),
    "exchanged bounds": ("y = Clip(c, half, zero)", "Clip 'y' clips to [0, 0], which is no ReLU"),
    "neither bound": ("y = Clip(c)", "Clip 'y' clips to [-inf, inf], which is no ReLU"),
    "bounded above by zero": ("m = Min(c, zero) y = Relu(m)", "Relu 'y' clips to [0, 0], which is no ReLU"),
    "computed bound": ("h = Exp(half) y = Clip(c, zero, h)", "the bounds of Clip 'y' are no constants"),
    "computed operand": ("h = Exp(half) y = Max(c, h)", "its output goes to Max 'y', which is no ReLU"),
    "bounds per channel": ("y = Max(c, u)", "its output goes to Max 'y', which is no ReLU"),
    "three operands": ("y = Max(c, zero, half)", "its output goes to Max 'y', which is no ReLU"),
    "two readers before the end": ("m = Min(c, half) r = Relu(m) y = Add(r, m)", "Min 'm' clips to [-inf, 0.5]"),
}


@pytest.mark.parametrize(("nodes", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(network: ModelBuilder, nodes: str, reason: str) -> None:
    sites, refusals = find_sites(network(f"CONV {BOUNDS} {nodes}", u=(1, 8, 1, 1)))
    assert sites == []
    assert refusals[1].name == "conv"
    assert refusals[1].reason.startswith(reason)
