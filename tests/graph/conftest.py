"""Models for the tests of the graph passes, in ONNX's own text syntax with seeded random weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

ModelBuilder = Callable[..., onnx.ModelProto]


@pytest.fixture
def build_model() -> ModelBuilder:
    """Builds build_model(text, W=(8, 4, 3, 3), ...): the nodes in `text`, a tensor of random weights per keyword.

    The text is "inputs => outputs { nodes }". The names of variances start with "var": they are positive.
    """

    def build(text: str, *, opset: int = 17, ir_version: int = 8, **shapes: tuple[int, ...]) -> onnx.ModelProto:
        model = onnx.parser.parse_model(f'<ir_version: {ir_version}, opset_import: ["": {opset}]> net {text}')
        rng = np.random.default_rng(0)
        for name, shape in shapes.items():
            values = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
            values = np.abs(values) + 0.5 if name.startswith("var") else values
            model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
        return model

    return build
