"""The schemas: registered once, strict about shapes and attributes, and not needed to check a model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import checker, defs, shape_inference
from onnx.shape_inference import InferenceError

from zaponnx.operator import ATTRIBUTES, DOMAIN, INPUTS, NHWC_OPERATORS, OPERATORS, RESIDUAL, RESIDUAL_OPERATORS
from zaponnx.operator.schema import build_schema, register_schemas


@pytest.fixture(autouse=True)
def _registered() -> None:
    register_schemas()


def infer(model: onnx.ModelProto) -> list[int | str]:
    """The dimensions of Y where the model itself does not tell them."""
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    output = shape_inference.infer_shapes(model, strict_mode=True).graph.output[0]
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in output.type.tensor_type.shape.dim]


def set_input_shapes(model: onnx.ModelProto, **shapes: tuple[int | str, ...]) -> onnx.ModelProto:
    for value in model.graph.input:
        if value.name in shapes:
            value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, shapes[value.name]))
    return model


def test_registering_again_does_nothing() -> None:
    """onnx itself refuses a second registration."""
    with pytest.raises(defs.SchemaError):
        defs.register_schema(build_schema("ZapConv"))
    register_schemas()


@pytest.mark.parametrize("operator", OPERATORS)
def test_schema_and_body_agree(make_case: Callable[..., Any], operator: str) -> None:
    schema = defs.get_schema(operator, domain=DOMAIN)
    case = make_case(residual=operator in RESIDUAL_OPERATORS, nhwc=operator in NHWC_OPERATORS)
    body = case.model().functions[0]
    assert body.name == operator
    assert [value.name for value in schema.inputs] == list(body.input)
    assert list(body.input) == [*INPUTS, RESIDUAL][: len(body.input)]
    assert set(schema.attributes) == set(body.attribute) == set(ATTRIBUTES)
    assert all(attribute.required for attribute in schema.attributes.values())


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_full_check(make_case: Callable[..., Any], residual: bool, nhwc: bool) -> None:
    for opset in (13, 17, defs.onnx_opset_version()):
        checker.check_model(make_case(residual=residual, nhwc=nhwc, opset=opset).model(), full_check=True)


def test_files_pass_the_checker_where_nothing_is_registered(make_case: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save_model(make_case(residual=True).model(), path)
    code = (
        "import sys, onnx; m = onnx.load(sys.argv[1]); assert not onnx.defs.has('ZapConv', 'zaponnx');"
        "onnx.checker.check_model(m, full_check=True); onnx.shape_inference.infer_shapes(m, strict_mode=True)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_output_shape(make_case: Callable[..., Any]) -> None:
    case = make_case(strides=(2, 3), pads=(0, 1, 2, 3), dilations=(2, 1), size=(12, 13))
    shape = ("N", 4, 12, 13)
    assert infer(set_input_shapes(case.model(), X=shape)) == ["N", 6, *case.output_size()]
    batch, channels, *size = infer(case.model())
    assert [batch, channels] == ["N", 6]
    assert not {"Xh", "Xw"} & set(size)
    # Stride 1 and pads that make up for the kernel keep even an unknown size.
    assert infer(make_case().model()) == ["N", 6, "Xh", "Xw"]


def test_output_shape_in_nhwc(make_case: Callable[..., Any]) -> None:
    case = make_case(strides=(2, 3), pads=(0, 1, 2, 3), size=(12, 13), residual=True, nhwc=True)
    assert infer(set_input_shapes(case.model(), X=("N", 12, 13, 4))) == ["N", *case.output_size(), 6]
    assert infer(make_case(nhwc=True).model()) == ["N", "Xh", "Xw", 6]
    for shapes in ({"X": ("N", 4, 12, 13)}, {"X": ("N", 12, 13, 4), "Z": ("N", 6, *case.output_size())}):
        with pytest.raises(InferenceError, match="ZapConv: "):
            infer(set_input_shapes(case.model(), **shapes))


ATTRIBUTE_DAMAGE: dict[str, tuple[str, Any]] = {
    "strides": ("strides", [1]),
    "zero stride": ("strides", [0, 1]),
    "pads": ("pads", [1, 1]),
    "negative pad": ("pads", [0, 0, 0, -1]),
    "dilations": ("dilations", [1, 0]),
    "group": ("group", 0),
    "groups do not divide channels": ("group", 4),
    "groups do not match X": ("group", 3),
    "channels": ("channels", 12),
    "pattern length": ("pattern", [1, 0, 1]),
    "pattern entry": ("pattern", [1, 0, 2, 1]),
    "empty pattern": ("pattern", [0, 0, 0, 0]),
    "pattern shape": ("pattern_shape", [4]),
    "negative pattern shape": ("pattern_shape", [-2, -2]),
    "thresholds": ("threshold", [0.0, 1.0]),
}


@pytest.mark.parametrize(("name", "value"), ATTRIBUTE_DAMAGE.values(), ids=ATTRIBUTE_DAMAGE.keys())
def test_contradictory_attributes_are_refused(make_case: Callable[..., Any], name: str, value: Any) -> None:
    model = make_case().model()
    attributes = model.graph.node[0].attribute
    kept = [attribute for attribute in attributes if attribute.name != name]
    assert len(kept) == len(attributes) - 1
    del attributes[:]
    attributes.extend([*kept, onnx.helper.make_attribute(name, value)])
    with pytest.raises(InferenceError, match="ZapConv: "):
        shape_inference.infer_shapes(model, strict_mode=True)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_missing_attributes_are_refused(make_case: Callable[..., Any], name: str) -> None:
    model = make_case().model()
    attributes = model.graph.node[0].attribute
    kept = [attribute for attribute in attributes if attribute.name != name]
    del attributes[:]
    attributes.extend(kept)
    with pytest.raises(InferenceError, match=f"attribute '{name}' is missing"):
        shape_inference.infer_shapes(model, strict_mode=True)


@pytest.mark.parametrize(
    "shapes",
    [
        {"X": ("N", 4, 9)},
        {"X": ("N", 5, 9, 8)},
        {"X": ("N", 4, 0, 8), "Z": ("N", 6, 0, 8)},
        {"X": ("N", 4, 9, 8), "Z": ("N", 6, 1, 1)},
        {"X": ("N", 4, 9, 8), "Z": ("N", 1, 9, 8)},
    ],
)
def test_contradictory_shapes_are_refused(make_case: Callable[..., Any], shapes: dict[str, Any]) -> None:
    model = set_input_shapes(make_case(residual=True).model(), **shapes)
    with pytest.raises(InferenceError, match="ZapConv: "):
        shape_inference.infer_shapes(model, strict_mode=True)


@pytest.mark.parametrize("name", INPUTS[1:])
def test_weights_of_a_wrong_shape_are_refused(make_case: Callable[..., Any], name: str) -> None:
    model = make_case().model()
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.dims[0] //= 2
    tensor.raw_data = tensor.raw_data[: len(tensor.raw_data) // 2]
    with pytest.raises(InferenceError, match=f"input '{name}' is 3"):
        shape_inference.infer_shapes(model, strict_mode=True)
