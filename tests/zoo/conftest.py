"""A small converted network for the tests of the coverage, and its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zoo.coverage import Row
from zoo.equality import WAYS

SHAPES = {"W0": (8, 3, 3, 3), "W1": (8, 8, 3, 3), "B1": (8,), "W2": (8, 8, 3, 3), "W3": (8, 8, 1, 1), "G": (5, 8)}
STATISTICS = ("scale", "shift", "mean", "variance")


@pytest.fixture
def network() -> onnx.ModelProto:
    """A stem, a site with a bias, one with a batch norm and a residual, a cheap convolution; input (N, 3, 24, 24)."""
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        net (float[N, 3, 24, 24] x) => (float[N, 5] y) {
            c0 = Conv <pads = [1, 1, 1, 1]> (x, W0)
            r0 = Relu (c0)
            c1 = Conv <pads = [1, 1, 1, 1]> (r0, W1, B1)
            r1 = Relu (c1)
            c2 = Conv <pads = [1, 1, 1, 1]> (r1, W2)
            n2 = BatchNormalization (c2, scale, shift, mean, variance)
            a2 = Add (n2, r0)
            r2 = Relu (a2)
            c3 = Conv <strides = [2, 2]> (r2, W3)
            r3 = Relu (c3)
            p = GlobalAveragePool (r3)
            f = Flatten (p)
            y = Gemm <transB = 1> (f, G)
        }""")
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) * 10 for name, shape in SHAPES.items()}
    arrays |= {name: rng.uniform(0.5, 1.5, 8) for name in STATISTICS}
    model.graph.initializer.extend(
        numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()
    )
    return model


@pytest.fixture
def row() -> Row:
    """A row without problems."""
    return Row(
        network="light_squeezenet",
        origin="onnx",
        size=224,
        opset=9,
        ir_version=3,
        upgraded="opset 9 to 13",
        nodes=66,
        convs=26,
        sites=23,
        share=0.9,
        refusals={"it is the first convolution of the network": 3},
        seconds=0.5,
        memory=400,
        differences=dict.fromkeys(WAYS, 1e-6),
        sensitivity=1e-6,
        positive=0.5,
        skipped=0.3,
        problems=(),
    )


@pytest.fixture
def feeds() -> dict[str, Any]:
    """Two random images."""
    return {"x": np.random.default_rng(1).normal(size=(2, 3, 24, 24)).astype(np.float32)}


@pytest.fixture
def edited() -> Callable[..., onnx.ModelProto]:
    """A copy of a model with an amount added to the first value of an initializer: edited(model, "W1", 0.1)."""

    def edit(model: onnx.ModelProto, name: str, amount: float) -> onnx.ModelProto:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
        values = numpy_helper.to_array(tensor).copy()
        values.flat[0] += amount
        tensor.CopyFrom(numpy_helper.from_array(values, name))
        return copy

    return edit
