"""MACs of convolutions, also where the model leaves sizes open."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.macs import conv_work

SHUFFLED = """<ir_version: 8, opset_import: ["": 17]>
net (float[N,4,12,12] x) => (float[N,8,h,w] y) {
    all = Shape(x) zero = Constant<value_ints=[0]>() batch = Gather(all, zero)
    groups = Constant<value_ints=[2, 2, 12, 12]>() split = Concat<axis=0>(batch, groups) g = Reshape(x, split)
    t = Transpose<perm=[0, 2, 1, 3, 4]>(g)
    rest = Constant<value_ints=[4, -1, 12]>() merged = Concat<axis=0>(batch, rest) s = Reshape(t, merged)
    y = Conv(s, W)
}"""


@pytest.mark.parametrize("batch", ["N", "3"])
def test_a_batch_that_is_not_fixed_is_one_image(batch: str) -> None:
    """Target shapes that a Reshape computes from a symbol are unknown to ONNX."""
    model = onnx.parser.parse_model(SHUFFLED.replace("N,", f"{batch},"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((8, 4, 3, 3), np.float32), "W"))
    work = conv_work(model)["y"]
    assert (work.outputs, work.macs_per_output) == (8 * 10 * 10, 4 * 9)
