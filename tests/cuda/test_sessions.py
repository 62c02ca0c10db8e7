"""The operators for CUDA in sessions of ONNX Runtime, on the CPU, with the emulation in the place of the CUDA half.

What a GPU alone can show is not here: its memory, its stream, its speed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from tests.formula import formula
from tests.operator.case import Case
from zaponnx.operator import INPUTS

LIBRARY = Path(__file__).parents[2] / "build/native/custom_ops/cuda/emulation/libzaponnx_emulated_ops.so"

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "eight channels, by tiles": {"channels": 8},
    "residual": {"channels": 10, "residual": True},
    "ReLU6 and residual": {"bound": 0.4, "residual": True, "strides": (2, 1), "channels": 8},
    "groups": {"pattern": "D", "size": (7, 13), "group": 2, "channels": 16},
    "dilations, pads": {"dilations": (2, 3), "pads": (2, 3, 1, 4), "channels": 8},
    "thresholds by channel": {"threshold": (-math.inf, math.inf, 0.0, 0.2, -0.2, 0.1, 0.3, 0.4), "channels": 8},
    "NaN in X": {"poison": {"X": math.nan}, "channels": 8},
}


@pytest.fixture
def run() -> Callable[..., Any]:
    """Runs a model on the emulation."""

    def run_model(model: onnx.ModelProto, inputs: dict[str, Any]) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.register_custom_ops_library(str(LIBRARY))
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return session.run(None, inputs)[0]

    return run_model


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_formula(name: str, nhwc: bool, run: Callable[..., Any]) -> None:
    case = Case(**CASES[name], nhwc=nhwc)
    actual = run(case.model(body=False), case.fed())
    formula(case.attributes(), case.inputs()).assert_matches(actual.transpose(0, 3, 1, 2) if nhwc else actual)


@pytest.mark.parametrize("fed_weights", [("W",), INPUTS[1:]])
def test_weights_need_not_be_constant(fed_weights: tuple[str, ...], run: Callable[..., Any]) -> None:
    case = Case(channels=8)
    model = case.model(body=False)
    constant = [tensor for tensor in model.graph.initializer if tensor.name not in fed_weights]
    for tensor in model.graph.initializer:
        if tensor.name in fed_weights:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    del model.graph.initializer[:]
    model.graph.initializer.extend(constant)
    inputs = {name: array for name, array in case.inputs().items() if name in ("X", *fed_weights)}
    formula(case.attributes(), case.inputs()).assert_matches(run(model, inputs))


def test_an_empty_batch_gives_an_empty_output(run: Callable[..., Any]) -> None:
    case = Case(batch=0, channels=8)
    assert run(case.model(body=False), case.fed()).shape == (0, 8, 9, 8)


def test_what_is_wrong_is_told(run: Callable[..., Any]) -> None:
    case = Case(channels=8, residual=True)
    model = case.model(body=False)
    del model.graph.input[:]
    for name in ("X", "Z"):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    with pytest.raises(Exception, match=r"input X has 5 channels"):
        run(model, {**case.fed(), "X": np.zeros((2, 5, 9, 8), np.float32)})
    with pytest.raises(Exception, match=r"input Z has the shape \(2, 8, 9, 7\)"):
        run(model, {**case.fed(), "Z": np.zeros((2, 8, 9, 7), np.float32)})
    with pytest.raises(Exception, match="input W has a value that is infinite or not a number"):
        run(Case(channels=8, poison={"W": math.inf}).model(body=False), Case(channels=8).fed())
