"""What the native library refuses: wrong attributes, shapes, types and weights, and an unknown instruction set."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

import zaponnx
from tests.operator.running import open_session, run
from zaponnx.errors import ZapError
from zaponnx.operator import ATTRIBUTES


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_weights_that_are_not_finite_are_refused(value: float, make_case: Callable[..., Any]) -> None:
    with pytest.raises(Exception, match="input W has a value that is infinite or not a number"):
        open_session(make_case(poison={"W": value}).model(body=False))


def test_an_unknown_isa_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAPONNX_ISA", "abacus")
    with pytest.raises(ZapError, match=r"ZAPONNX_ISA asks for 'abacus'.*scalar"):
        zaponnx.register(onnxruntime.SessionOptions())


WRONG_ATTRIBUTES: dict[str, tuple[str, Any, str]] = {
    "pattern length": ("pattern", [1, 0, 0], r"pattern has 3 entries, but pattern_shape is \(2, 2\)"),
    "pattern rank": ("pattern_shape", [4], "pattern_shape has 1 values"),
    "pattern shape that overflows": ("pattern_shape", [274177, 67280421310721], "pattern_shape has the value 67280421"),
    "strides": ("strides", [0, 1], "strides has the value 0"),
    "dilations": ("dilations", [1 << 62, 1], "dilations has the value 4611686018427387904"),
    "pads": ("pads", [1, 1], "pads has 2 values"),
    "group": ("group", 4, "6 output channels, which attribute group 4 does not divide"),
    "channels": ("channels", 7, "6 output channels, but attribute channels is 7"),
    "threshold": ("threshold", [0.0, 0.0], "threshold has 2 values"),
    "bound": ("bound", -1.0, "bound is -1"),
}


@pytest.mark.parametrize("name", WRONG_ATTRIBUTES)
def test_wrong_attributes_are_refused(name: str, make_case: Callable[..., Any]) -> None:
    attribute, value, message = WRONG_ATTRIBUTES[name]
    model = make_case().model(body=False)
    node = model.graph.node[0]
    kept = [a for a in node.attribute if a.name != attribute]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(attribute, value)])
    with pytest.raises(Exception, match=message):
        open_session(model)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_missing_attribute_is_refused(name: str, make_case: Callable[..., Any]) -> None:
    model = make_case().model(body=False)
    node = model.graph.node[0]
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    with pytest.raises(Exception, match=f"attribute {name} is missing"):
        open_session(model)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("X", (1, 5, 9, 8), r"input X has 5 channels.*asks for 4"),
        ("X", (1, 4, 0, 8), r"input X has the shape \(1, 4, 0, 8\)"),
        ("Z", (1, 6, 9, 7), r"input Z has the shape \(1, 6, 9, 7\); it must have the shape \(1, 6, 9, 8\)"),
        ("W", (6, 4, 0, 3), r"input W has the shape \(6, 4, 0, 3\)"),
        ("B", (5,), r"input B has the shape \(5\); it must have the shape \(6\)"),
        ("P1", (6, 1, 5, 5), r"input P1 has the shape \(6, 1, 5, 5\)"),
        ("p2", (1,), r"input p2 has the shape \(1\)"),
    ],
)
def test_wrong_shapes_are_refused(
    name: str, shape: tuple[int, ...], message: str, make_case: Callable[..., Any]
) -> None:
    case = dataclasses.replace(make_case(), batch=1, residual=True)
    model = case.model(body=False)
    inputs = case.inputs()
    # All inputs without a static shape, so that nothing but the kernel can object.
    del model.graph.input[:]
    del model.graph.initializer[:]
    for input_name in inputs:
        model.graph.input.append(helper.make_tensor_value_info(input_name, TensorProto.FLOAT, None))
    inputs[name] = np.zeros(shape, np.float32)
    with pytest.raises(Exception, match=message):
        run(model, inputs)


def test_other_element_types_are_refused(make_case: Callable[..., Any]) -> None:
    model = make_case().model(body=False)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    with pytest.raises(Exception, match=r"'tensor\(double\)' of input parameter \(X\)"):
        open_session(model)
