"""Constant residuals: a constant that is added and differs from pixel to pixel is expanded, or there is one reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.graph.converted import zap_convs
from zaponnx.graph.finding import find_matches, find_sites
from zaponnx.graph.passes import to_dense

ModelBuilder = Callable[..., onnx.ModelProto]

SHAPES = {
    "one per pixel": (1, 8, 12, 11),
    "without the batch": (8, 12, 11),
    "the same in all channels": (12, 11),
    "a row": (11,),
    "a column per channel": (1, 8, 12, 1),
}
OPERATIONS = ("a = Add(c, k)", "a = Add(k, c)", "a = Sum(k, c)", "i = Identity(k) a = Add(i, c)")


def of_batch(model: onnx.ModelProto, batch: int | str | None) -> onnx.ModelProto:
    """The model with another batch; None leaves it open without a name."""
    for value in (*model.graph.input, *model.graph.output):
        dim = value.type.tensor_type.shape.dim[0]
        dim.Clear()
        if batch is not None:
            setattr(dim, "dim_value" if isinstance(batch, int) else "dim_param", batch)
    return model


@pytest.mark.parametrize("batch", [2, "N", None])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_shapes(
    network: ModelBuilder, assert_equal: ModelBuilder, shape: tuple[int, ...], batch: int | str | None
) -> None:
    model = assert_equal(of_batch(network("CONV a = Add(c, k) y = Relu(a)", k=shape), batch))
    [node] = zap_convs(model)
    assert (node.op_type, node.input[7]) == ("ZapConvResidual", "y/Z")
    assert "k" not in {tensor.name for tensor in model.graph.initializer}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("opset", [8, 13, 18])
def test_operations(network: ModelBuilder, assert_equal: ModelBuilder, operation: str, opset: int) -> None:
    model = network(f"CONV {operation} y = Relu(a)", k=(8, 12, 11), opset=opset)
    assert zap_convs(assert_equal(model))[0].op_type == "ZapConvResidual"


def test_a_constant_of_the_whole_shape_stays_as_it_is(network: ModelBuilder, assert_equal: ModelBuilder) -> None:
    model = assert_equal(of_batch(network("CONV a = Add(c, k) y = Relu(a)", k=(2, 8, 12, 11)), 2))
    assert zap_convs(model)[0].input[7] == "k"


def test_a_batch_norm_before_it_is_folded(network: ModelBuilder, assert_equal: ModelBuilder) -> None:
    nodes = "CONV n = BatchNormalization(c, scale, shift, mean, var) a = Add(n, k) y = Relu(a)"
    assert zap_convs(assert_equal(network(nodes, k=(12, 11))))[0].input[7] == "y/Z"


def test_what_others_read_stays(network: ModelBuilder, assert_equal: ModelBuilder) -> None:
    model = assert_equal(network("CONV a = Add(c, k) r = Relu(a) y = Mul(r, k)", k=(12, 11)))
    assert {"k", "r/Z/sample"} <= {tensor.name for tensor in model.graph.initializer}


def test_the_values_are_those_of_the_constant(network: ModelBuilder) -> None:
    model, _ = to_dense(
        of_batch(network("CONV a = Add(c, k) y = Relu(a)", k=(8, 12, 1)), 2), lambda each: find_matches(each)[0]
    )
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    expanded = tensors["y/Z"]
    assert expanded.shape == (2, 8, 12, 11)
    np.testing.assert_array_equal(expanded, np.broadcast_to(expanded[:1, :, :, :1], expanded.shape))


REFUSED = {
    "another size": ("k", (3, 1, 1, 1), "adds a constant of 3×1×1×1 to N×8×12×11, and a residual must not be larger"),
    "five dimensions": ("k", (1, 1, 8, 12, 11), "adds a constant of 1×1×8×12×11 to N×8×12×11, and a residual must"),
}


@pytest.mark.parametrize(("name", "shape", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals(network: ModelBuilder, name: str, shape: tuple[int, ...], reason: str) -> None:
    sites, refusals = find_sites(network(f"CONV a = Add(c, {name}) y = Relu(a)", k=shape))
    assert sites == []
    assert reason in refusals[1].reason


def test_images_of_any_size_are_refused(build_model: ModelBuilder) -> None:
    text = """(float[N,4,H,11] x) => (float[N,8,h,w] y) { c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)
        c = Conv<pads=[1,1,1,1]>(s, W) a = Add(c, k) y = Relu(a) }"""
    sites, refusals = find_sites(build_model(text, W0=(8, 4, 3, 3), W=(8, 8, 3, 3), k=(1, 11)))
    assert sites == []
    assert refusals[1].reason == "Add 'a' adds a constant of 1×11 to N×8×H×11, whose size is not fixed"
