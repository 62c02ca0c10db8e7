"""Chains: nodes of no effect between a Conv and its ReLU go, and those that might have one are refused."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from zaponnx.graph.finding import find_sites

ModelBuilder = Callable[..., onnx.ModelProto]

FLAGS = "ratio = Constant<value_float=0.5>() no = Constant<value = bool {0}>() yes = Constant<value = bool {1}>()"
FORMS = {
    "identity": ("a = Identity(c)", 17),
    "cast to float32": ("a = Cast<to=1>(c)", 17),
    "sum of one": ("a = Sum(c)", 17),
    "dropout": ("a = Dropout(c)", 17),
    "dropout of old opsets": ("a = Dropout<ratio=0.5>(c)", 7),
    "dropout with a mask that is not read": ("a, mask = Dropout<ratio=0.5>(c)", 10),
    "dropout with a ratio": ("a = Dropout(c, ratio)", 12),
    "dropout that is not in training": ("a = Dropout(c, ratio, no)", 13),
    "residual as a sum": ("a = Sum(s, c)", 8),
    "around everything": (
        "b = Identity(c) n = BatchNormalization(b, scale, shift, mean, var) d = Dropout(n) "
        "e = Cast<to=1>(d) r = Add(e, s) f = Dropout(r) a = Identity(f)",
        17,
    ),
}


@pytest.mark.parametrize(("nodes", "opset"), FORMS.values(), ids=FORMS.keys())
def test_nodes_of_no_effect_go(network: ModelBuilder, assert_equal: ModelBuilder, nodes: str, opset: int) -> None:
    flags = FLAGS if opset > 11 else ""
    converted = assert_equal(network(f"CONV {flags} {nodes} y = Relu(a)", opset=opset))
    assert {node.op_type for node in converted.graph.node} <= {"Conv", "Relu", "Constant", "ZapConv", "ZapConvResidual"}


REFUSED = {
    "another type": ("a = Cast<to=11>(c)", "its output goes to Cast 'a', which is no ReLU"),
    "training": ("a = Dropout(c, ratio, yes)", "Dropout 'a' is or may be in training mode"),
    "a flag that is an input": ("a = Dropout(c, ratio, flag)", "Dropout 'a' is or may be in training mode"),
    "a mask that is read": ("a, mask = Dropout(c) m = Cast<to=1>(mask)", "the mask of Dropout 'a' is used"),
    "a mask that is an output": ("a, other = Dropout(c)", "the mask of Dropout 'a' is used"),
    "two readers of an identity": (
        "i = Identity(c) b = Neg(i) a = Add(i, b)",
        "the output of Identity 'i' goes to 2 nodes, and none of them is a ReLU",
    ),
    "an identity that is an output": (
        "other = Identity(c) a = Identity(other)",
        "the output of Identity 'other' is an output of the model",
    ),
}


@pytest.mark.parametrize(("nodes", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(network: ModelBuilder, nodes: str, reason: str) -> None:
    model = network(f"CONV {FLAGS} {nodes} y = Relu(a)", inputs="bool flag,")
    if "other" in nodes:
        model.graph.output.append(helper.make_tensor_value_info("other", TensorProto.UNDEFINED, None))
    sites, refusals = find_sites(model)
    assert sites == []
    assert (refusals[1].name, refusals[1].reason) == ("conv", reason)


def test_the_order_of_the_nodes_stays_valid(network: ModelBuilder, assert_equal: ModelBuilder) -> None:
    """The residual is computed behind the Conv, other nodes lie between, and constants come just before their use."""
    nodes = """CONV b = Sigmoid(s) low = Constant<value_float=0.0>() i = Identity(c) t = Neg(b) u = Tanh(t)
        factor = Constant<value_float=2.0>() m = Mul(i, factor) v = Add(u, b) a = Add(m, v) w = Neg(v)
        high = Constant<value_float=0.5>() x1 = Max(a, low) x2 = Exp(w) x3 = Min(x1, high) y = Mul(x2, x3)"""
    converted = assert_equal(network(nodes))
    assert [node.op_type for node in converted.graph.node][-3:] == ["Exp", "ZapConvResidual", "Mul"]
