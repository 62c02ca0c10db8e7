"""Models to feed."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper


@pytest.fixture
def fed_by() -> Callable[..., onnx.ModelProto]:
    """Makes a model from its inputs' names and shapes: fed_by(input=["N", 3, 32, 32])."""

    def make(elem_type: int = TensorProto.FLOAT, **inputs: list[str | int]) -> onnx.ModelProto:
        nodes = [helper.make_node("Identity", [name], [f"{name}_copy"]) for name in inputs]
        values = [helper.make_tensor_value_info(name, elem_type, shape) for name, shape in inputs.items()]
        outputs = [helper.make_tensor_value_info(f"{name}_copy", elem_type, shape) for name, shape in inputs.items()]
        return helper.make_model(helper.make_graph(nodes, "fed", values, outputs))

    return make
