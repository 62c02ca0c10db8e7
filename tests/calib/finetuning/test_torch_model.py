"""Models in torch: equal to the originals, and every weight back in its place."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from zaponnx.calib.finetuning.equality import TOLERANCE, check_equal
from zaponnx.calib.finetuning.torch_model import import_model
from zaponnx.calib.finetuning.writing import put_weights
from zaponnx.errors import ModelError

Everything = """<ir_version: 8, opset_import: ["": {opset}]>
everything (float[N, 3, 9, 9] input) => (float[N, 5] output) {{
    shared = Identity (W0)
    first = Conv <pads = [1, 1, 0, 1]> (input, shared, B0)
    normed = BatchNormalization (first, S1, T1, M1, V1)
    active = Relu (normed)
    twice = Conv <pads = [1, 1, 1, 1]> (active, Both)
    again = Conv <pads = [1, 1, 1, 1]> (twice, Both)
    means = {mean} (again{axes})
    shape = Constant <value = int64[2] {{-1, 6}}> ()
    flat = Reshape <allowzero = 1> (means, shape)
    hidden = Gemm (flat, W2, B2)
    wide = Gemm <transB = 1> (hidden, W3)
    scaled = Gemm <alpha = 0.5> (wide, W4)
    multiplied = MatMul (scaled, W5)
    offset = Constant <value = float[5] {{1, 2, 3, 4, 5}}> ()
    output = Add (multiplied, offset)
}}"""

SHAPES = {
    **{"W0": (6, 3, 3, 3), "B0": (6,), "S1": (6,), "T1": (6,), "M1": (6,), "V1": (6,)},
    **{"Both": (6, 6, 3, 3), "W2": (6, 7), "B2": (7,), "W3": (8, 7), "W4": (8, 4), "W5": (4, 5)},
}
FROZEN = {"Both", "W4"}
"""What two nodes read, and what a Gemm scales."""


def everything(opset: int = 17) -> onnx.ModelProto:
    """A model with weights in all forms."""
    mean, axes = (
        ("ReduceMean <axes = [2, 3], keepdims = 0>", "") if opset < 18 else ("ReduceMean <keepdims = 0>", ", A")
    )
    model = onnx.parser.parse_model(Everything.format(opset=opset, mean=mean, axes=axes))
    if axes:
        model.graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "A"))
    generator = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        values = generator.random(shape, np.float32) + 0.1
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    return model


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    return {"input": np.random.default_rng(1).standard_normal((2, 3, 9, 9)).astype(np.float32)}


@pytest.mark.parametrize("opset", [14, 17, 18, 21, 24])
def test_a_model_in_torch_is_equal(inputs: dict[str, np.ndarray], opset: int) -> None:
    model = everything(opset)
    assert check_equal(model, import_model(model, "model.onnx"), inputs, "model.onnx") <= TOLERANCE


def test_weights_are_found_by_the_names_of_their_initializers() -> None:
    model = everything()
    weights = import_model(model, "model.onnx").weights
    initializers = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert weights.keys() == SHAPES.keys() - FROZEN
    for name, weight in weights.items():
        assert np.array_equal(weight.values(), initializers[name]), name


def test_weights_that_change_in_torch_change_in_the_model(inputs: dict[str, np.ndarray]) -> None:
    model = everything()
    module = import_model(model, "model.onnx")
    with torch.no_grad():
        for weight in module.weights.values():
            weight.tensor.mul_(1 + torch.rand(weight.tensor.shape))
    with pytest.raises(ModelError, match="torch and ONNX Runtime differ by"):
        check_equal(model, module, inputs, "model.onnx")
    written = onnx.ModelProto()
    written.CopyFrom(model)
    put_weights(written, module.weights)
    assert check_equal(written, module, inputs, "model.onnx") <= TOLERANCE
    for before, after in zip(model.graph.initializer, written.graph.initializer, strict=True):
        assert (before == after) == (before.name in FROZEN)
    del model.graph.initializer[:], written.graph.initializer[:]
    assert model == written


@pytest.mark.parametrize(
    ("operator", "reason"),
    [("Det", "NotImplementedError"), ("ConvTranspose <output_shape = [20, 20]>", "KeyError|NotImplementedError|Error")],
)
def test_what_cannot_be_imported_is_named(operator: str, reason: str) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    odd (float[N, 3, 9, 9] input) => (float[N, 3] output) {
        fine = Relu (input)
        output = """
    model = onnx.parser.parse_model(f"{text}{operator} (fine{', input' * ('Conv' in operator)})\n}}")
    model.graph.node[1].name = "the odd one"
    with pytest.raises(ModelError, match=rf"odd\.onnx, node 'the odd one' .*cannot be imported .*({reason})"):
        import_model(model, "odd.onnx")
