"""Models that ONNX's checker takes and that no one should have written: no site, and a reason."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from zaponnx.graph.finding import find_sites

NOT_CONSTANT = "its weights are computed or an input, not constant"
RESHAPES = "s = Constant<value_ints=[4, 4, 3, 3]>() r0 = Reshape(W, s) " + " ".join(
    f"r{index + 1} = Reshape(r{index}, s)" for index in range(600)
)


def model(nodes: str) -> onnx.ModelProto:
    text = f'<ir_version: 8, opset_import: ["": 17]> net (float[N,4,12,12] x) => (float[N,4,12,12] y) {{ {nodes} }}'
    parsed = parser.parse_model(text)
    weights = np.random.default_rng(0).normal(size=(4, 4, 3, 3)).astype(np.float32)
    parsed.graph.initializer.append(numpy_helper.from_array(weights, "W"))
    return parsed


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ("w = Cast<to=99>(W) c = Conv<pads=[1,1,1,1]>(x, w) y = Relu(c)", NOT_CONSTANT),
        (
            "f = Constant<value_floats=[4.0, 4.0, 3.0, 3.0]>() w = Reshape(W, f) "
            "c = Conv<pads=[1,1,1,1]>(x, w) y = Relu(c)",
            NOT_CONSTANT,
        ),
        (f"{RESHAPES} c = Conv<pads=[1,1,1,1]>(x, r600) y = Relu(c)", NOT_CONSTANT),
        (
            "k = Constant<value_float=1e30>() c = Conv<pads=[1,1,1,1]>(x, W) a = Mul(c, k) b = Mul(a, k) y = Relu(b)",
            "its weights would not be finite with what follows it folded in",
        ),
        (
            "k = Constant<value_float=3e38>() c = Conv<pads=[1,1,1,1]>(x, W) a = Add(c, k) b = Add(a, k) y = Relu(b)",
            "its bias would not be finite with what follows it folded in",
        ),
        (
            "b = Constant<value = float[4] {1, inf, 1, 1}>() c = Conv<pads=[1,1,1,1]>(x, W, b) y = Relu(c)",
            "its bias is not all finite",
        ),
    ],
    ids=["unknown type", "shape of floats", "many nodes", "overflow", "overflow of the bias", "infinite bias"],
)
def test_a_reason_is_given(nodes: str, reason: str) -> None:
    sites, (refusal,) = find_sites(model(nodes), include_first=True)
    assert (sites, refusal.reason) == ([], reason)


def test_an_empty_auto_pad_is_none() -> None:
    (site,), _ = find_sites(model('c = Conv<pads=[1,1,1,1], auto_pad="">(x, W) y = Relu(c)'), include_first=True)
    assert site.output == "y"
