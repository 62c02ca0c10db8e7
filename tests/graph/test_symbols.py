"""Symbols: residuals of dynamic size, which sizes are known to be equal and which are not."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from zaponnx.graph.finding import find_sites

ModelBuilder = Callable[..., onnx.ModelProto]

W0 = (8, 4, 3, 3)
W = (8, 8, 3, 3)
CONV = "[conv] c = Conv<pads=[1,1,1,1]>(s, W)"
DOWN = "[conv] c = Conv<pads=[1,1,1,1], strides=[2,2]>(s, W)"
POOL = "MaxPool<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]>"
SAME_SIZES = {
    "identity": f"{CONV} a = Add(c, s)",
    "two convs": "b = Conv<pads=[2,2,2,2], dilations=[2,2]>(s, W) [conv] c = Conv<pads=[1,1,1,1]>(b, W) a = Add(s, c)",
    "downsampled": f"{DOWN} d = Conv<strides=[2,2]>(s, U) a = Add(c, d)",
    "pooled": f"{DOWN} d = {POOL}(s) a = Add(c, d)",
    "same": f'{DOWN} d = Conv<strides=[2,2], auto_pad="SAME_UPPER">(s, T) a = Add(d, c)',
    "rounded up": f"{DOWN} d = AveragePool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(s) a = Add(c, d)",
    "behind another sum": f"d = Conv(s, U) r = Add(d, s) {CONV} a = Add(c, r)",
    "behind several terms": f"d = Conv(s, U) e = Conv(s, U) r = Sum(d, s, e, w) {CONV} a = Add(c, r)",
    "behind a gate": f"d = Conv(s, U) g = GlobalAveragePool(s) r = Mul(d, g) {CONV} a = Sum(c, r)",
    "behind others": f"""d = Conv(s, U) n = BatchNormalization(d, v, v, v, var) r = Relu(n) i = Identity(r)
        o = Dropout(i) k = Concat<axis=1>(o, s) e = Conv(k, U2) {CONV} a = Add(c, e)""",
}
OTHER_SIZES = {
    "padded": ("[conv] c = Conv<pads=[2,2,2,2]>(s, W) a = Add(c, s)", "N×8×H×W to N×8×(H+2)×(W+2)"),
    "rounded up": (f"{DOWN} d = {POOL[:-1]}, ceil_mode=1>(s) a = Add(c, d)", "N×8×(⌊H/2⌋+1)×(⌊W/2⌋+1) to"),
    "rounded up, perhaps behind the end": (
        f"{DOWN} d = MaxPool<kernel_shape=[2,2], pads=[0,0,1,1], strides=[2,2], ceil_mode=1>(s) a = Add(c, d)",
        "N×8×?×? to",
    ),
    "rounded down": (
        f"{DOWN} d = AveragePool<kernel_shape=[2,2], strides=[2,2]>(s) a = Add(c, d)",
        "N×8×(⌊(H-2)/2⌋+1)×(⌊(W-2)/2⌋+1) to N×8×(⌊(H-1)/2⌋+1)",
    ),
    "behind a sum of other sizes": (f"r = Sum(s, z) {CONV} a = Add(c, r)", "?×8×?×? to N×8×H×W"),
    "another input": (f"{CONV} a = Add(c, z)", "M×8×I×J to N×8×H×W"),
    "one that may be 1": (f"{CONV} a = Add(c, t)", "N×8×H×t[3] to N×8×H×W"),
}
DYNAMIC = """(float[M,8,I,J] z, float[N,8,H,?] t, float[N,4,H,W] x) => (float[N,8,u,v] y) {
    [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)"""


@pytest.mark.parametrize("nodes", SAME_SIZES.values(), ids=SAME_SIZES.keys())
def test_residuals_of_dynamic_size_that_are_known_to_be_equal(build_model: ModelBuilder, nodes: str) -> None:
    shapes = {"U": (8, 8, 1, 1), "U2": (8, 16, 1, 1), "T": (8, 1, 3, 3), "v": (8,), "var": (8,), "w": (8, 1, 1)}
    model = build_model(f"{DYNAMIC} {nodes} y = Relu(a) }}", W0=W0, W=W, **shapes)
    if "SAME" in nodes:
        next(node for node in model.graph.node if node.output[0] == "d").attribute.append(
            helper.make_attribute("group", 8)
        )
    assert "conv" in [found.name for found in find_sites(model)[0]]


@pytest.mark.parametrize(("nodes", "shapes"), OTHER_SIZES.values(), ids=OTHER_SIZES.keys())
def test_residuals_that_might_broadcast_are_refused(build_model: ModelBuilder, nodes: str, shapes: str) -> None:
    sites, refusals = find_sites(build_model(f"{DYNAMIC} {nodes} y = Relu(a) }}", W0=W0, W=W))
    assert sites == []
    assert f"adds {shapes}" in refusals[1].reason
    assert refusals[1].reason.endswith("and a residual must not broadcast")


def test_a_term_of_unknown_rank_may_be_larger(build_model: ModelBuilder) -> None:
    """The model says of the sum that it has four dimensions, and ONNX does not know better."""
    text = DYNAMIC.replace("float[N,4", "int64[r] e, float[N,4", 1)
    model = build_model(f"{text} k = Reshape(s, e) r = Sum(s, k) {CONV} a = Add(c, r) y = Relu(a) }}", W0=W0, W=W)
    model.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, ["N", 8, "P", "Q"]))
    assert "adds N×8×P×Q to N×8×H×W" in find_sites(model)[1][1].reason
