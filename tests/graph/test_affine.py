"""Affine maps: what constants do to each channel of a Conv is folded into its weights and bias."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest

from zaponnx.graph.converted import zap_convs
from zaponnx.graph.finding import find_sites

ModelBuilder = Callable[..., onnx.ModelProto]

VECTORS = {"v": (8,), "u": (8, 1, 1), "t": (1, 8, 1, 1), "one": (1,), "scalar": ()}
BATCH_NORM = "BatchNormalization<epsilon=0.01>"
FORMS = {
    "batch norm": (f"a = {BATCH_NORM}(c, scale, shift, mean, var)", 7),
    "batch norm of a Conv with bias": (f"[conv] d = Conv(s, W, v) a = {BATCH_NORM}(d, scale, shift, mean, var)", 14),
    "two batch norms": (f"n = {BATCH_NORM}(c, v, v, v, var) a = {BATCH_NORM}(n, scale, shift, mean, var)", 17),
    "Caffe's batch norm and scale": (
        """axes = Constant<value = int64[2] {1, 2}>() us = Unsqueeze(scale, axes) ut = Unsqueeze(shift, axes)
        n = BatchNormalization(c, v, v, mean, var) m = Mul(n, us) a = Add(m, ut)""",
        13,
    ),
    "the same in old opsets": (
        """us = Unsqueeze<axes=[1, 2]>(scale) ut = Unsqueeze<axes=[1, 2]>(shift)
        n = BatchNormalization(c, v, v, mean, var) m = Mul(n, us) a = Add(m, ut)""",
        9,
    ),
    "a constant added": ("a = Add(c, u)", 17),
    "a constant added from the left": ("a = Add(t, c)", 17),
    "a bias in shape": ("f = Constant<value_ints=[1, -1, 1, 1]>() b = Reshape(v, f) a = Add(c, b)", 13),
    "a sum": ("a = Sum(t, c)", 8),
    "a scalar": ("m = Mul(scalar, c) a = Add(m, one)", 17),
    "a division": ("a = Div(c, t)", 17),
    "a constant taken away": ("a = Sub(c, u)", 17),
    "taken away from a constant": ("a = Sub(u, c)", 17),
    "with a residual": ("m = Mul(c, u) b = Add(m, t) a = Add(s, b)", 17),
    "with others of no effect": ("i = Identity(c) m = Mul(i, u) d = Dropout(m) b = Add(d, t) a = Identity(b)", 17),
}


@pytest.mark.parametrize(("nodes", "opset"), FORMS.values(), ids=FORMS.keys())
def test_forms(network: ModelBuilder, assert_equal: ModelBuilder, nodes: str, opset: int) -> None:
    conv = "" if "Conv(" in nodes else "CONV"
    assert_equal(network(f"{conv} {nodes} y = Relu(a)", opset=opset, **VECTORS))


@pytest.mark.parametrize(("nodes", "weights"), [("a = Add(c, u)", "W"), ("a = Mul(c, u)", "y/W")])
def test_weights_are_copied_only_if_they_change(
    network: ModelBuilder, convert: ModelBuilder, nodes: str, weights: str
) -> None:
    converted = convert(network(f"CONV {nodes} y = Relu(a)", **VECTORS))
    assert list(zap_convs(converted)[0].input[1:3]) == [weights, "y/B"]


def test_weights_that_another_conv_reads_too_stay(network: ModelBuilder, assert_equal: ModelBuilder) -> None:
    converted = assert_equal(network("CONV a = Mul(c, u) r = Relu(a) y = Conv(r, W)", **VECTORS))
    assert {"W", "r/W"} <= {tensor.name for tensor in converted.graph.initializer}


REFUSED = {
    "a whole map": ("a = Sub(c, z)", "Sub 'a' has a constant of 1×8×12×11, which is not one number per channel"),
    "a row": ("a = Mul(row, c)", "Mul 'a' has a constant of 11, which is not one number per channel"),
    "one per sample": ("a = Sub(c, n)", "Sub 'a' has a constant of 2×8×1×1, which is not one number per channel"),
    "five dimensions": ("a = Mul(c, five)", "Mul 'a' has a constant of 1×1×8×1×1, which is not one number per channel"),
    "division by zero": (
        "zero = Constant<value_float=0.0>() a = Div(c, zero)",
        "Div 'a' has constants that make infinite values or NaN",
    ),
    "a negative variance": (
        "minus = Constant<value = float[8] {-1, 1, 1, 1, 1, 1, 1, 1}>() a = BatchNormalization(c, v, v, v, minus)",
        "BatchNormalization 'a' has constants that make infinite values or NaN",
    ),
    "the divisor": ("a = Div(u, c)", "its output goes to Div 'a', which is no ReLU"),
    "a computed factor": ("e = Exp(u) a = Mul(c, e)", "its output goes to Mul 'a', which is no ReLU"),
    "a computed difference": ("a = Sub(s, c)", "its output goes to Sub 'a', which is no ReLU"),
    "behind the residual": ("b = Add(c, s) a = Mul(b, u)", "its output goes to Mul 'a', which is no ReLU"),
    "three terms": ("a = Sum(c, u, s)", "its output goes to Sum 'a', which is no ReLU"),
    "training": (
        "a = BatchNormalization<training_mode=1>(c, v, v, v, var)",
        "BatchNormalization 'a' is in training mode",
    ),
    "computed statistics": (
        "e = Exp(v) a = BatchNormalization(c, v, v, e, var)",
        "the parameters of BatchNormalization 'a' are computed or inputs, not constant",
    ),
}


@pytest.mark.parametrize(("nodes", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(network: ModelBuilder, nodes: str, reason: str) -> None:
    shapes = {"z": (1, 8, 12, 11), "row": (11,), "n": (2, 8, 1, 1), "five": (1, 1, 8, 1, 1)}
    sites, refusals = find_sites(network(f"CONV {nodes} y = Relu(a)", **VECTORS, **shapes))
    assert sites == []
    assert (refusals[1].name, refusals[1].reason) == ("conv", reason)


def test_a_batch_norm_with_statistics_per_pixel_is_refused(network: ModelBuilder) -> None:
    """A form of opset 7 and 8."""
    model = network("CONV a = BatchNormalization<spatial=0>(c, v, v, v, var) y = Relu(a)", opset=7, **VECTORS)
    assert find_sites(model)[1][1].reason == "BatchNormalization 'a' has statistics per pixel"
