"""Symbols: residuals of dynamic size, which sizes are known to be equal and which are not."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import helper

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
    "behind another sum": f"d = Conv(s, U) r = Add(d, s) {CONV} a = Add(c, r)",
}
OTHER_SIZES = {
    "padded": ("[conv] c = Conv<pads=[2,2,2,2]>(s, W) a = Add(c, s)", "N×8×H×W to N×8×(H+2)×(W+2)"),
    "rounded up": (f"{DOWN} d = {POOL[:-1]}, ceil_mode=1>(s) a = Add(c, d)", "N×8×?×? to"),
    "another input": (f"{CONV} a = Add(c, z)", "M×8×I×J to N×8×H×W"),
    "one that may be 1": (f"{CONV} a = Add(c, t)", "N×8×H×t[3] to N×8×H×W"),
}
DYNAMIC = """(float[M,8,I,J] z, float[N,8,H,?] t, float[N,4,H,W] x) => (float[N,8,u,v] y) {
    [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)"""


@pytest.mark.parametrize("nodes", SAME_SIZES.values(), ids=SAME_SIZES.keys())
def test_residuals_of_dynamic_size_that_are_known_to_be_equal(build_model: ModelBuilder, nodes: str) -> None:
    model = build_model(f"{DYNAMIC} {nodes} y = Relu(a) }}", W0=W0, W=W, U=(8, 8, 1, 1), T=(8, 1, 3, 3))
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
