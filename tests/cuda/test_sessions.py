"""The operators for CUDA in sessions of ONNX Runtime, on the CPU, with the emulation in the place of the CUDA half.

What a GPU alone can show is not here: its memory, its stream, its speed.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.formula import formula
from tests.operator.case import Case
from zaponnx.operator import INPUTS

LIBRARY = Path(__file__).parents[2] / "build/native/custom_ops/cuda/emulation/libzaponnx_emulated_ops.so"
HALF = "libzaponnx_cuda.so"

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


def run_with(library: Path, cuda: str, model: onnx.ModelProto, inputs: dict[str, Any], precision: str = "") -> Any:
    """Runs a model with a library, which must say whether it has operators for CUDA."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if precision:
        options.add_session_config_entry("zaponnx.cuda.precision", precision)
    options.register_custom_ops_library(str(library))
    assert options.get_session_config_entry("zaponnx.cuda") == cuda
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@pytest.fixture
def run() -> Callable[..., Any]:
    """Runs a model on the emulation."""
    return partial(run_with, LIBRARY, "yes")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The library and its half elsewhere: they look for a GPU anew."""
    for name in (LIBRARY.name, HALF):
        shutil.copy(LIBRARY.with_name(name), tmp_path)
    return tmp_path / LIBRARY.name


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_formula(name: str, nhwc: bool, run: Callable[..., Any]) -> None:
    case = Case(**CASES[name], nhwc=nhwc)
    actual = run(case.model(body=False), case.fed())
    formula(case.attributes(), case.inputs()).assert_matches(actual.transpose(0, 3, 1, 2) if nhwc else actual)


@pytest.mark.parametrize("fed_weights", [("W",), INPUTS[1:]])
def test_weights_need_not_be_constant(fed_weights: tuple[str, ...], run: Callable[..., Any]) -> None:
    case = Case(channels=8)
    model, inputs = case.with_fed_weights(fed_weights)
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


def test_the_precision_is_the_sessions(run: Callable[..., Any]) -> None:
    case = Case(channels=8)
    model = case.model(body=False)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "W")
    weights.CopyFrom(numpy_helper.from_array(np.full(weights.dims, 1e5, np.float32), "W"))
    for precision in ("float32", "tf32"):
        assert np.isfinite(run(model, case.fed(), precision=precision)).all()
    with pytest.raises(Exception, match="a value that the precision asked for cannot hold; ask for float32"):
        run(model, case.fed(), precision="float16")


@pytest.mark.parametrize("failure", ["", "35", "100", "209"])
def test_operators_are_registered_where_the_half_can_run(
    failure: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else, as with a driver that is too old (35), those for the CPU run."""
    if failure:
        monkeypatch.setenv("ZAPONNX_EMULATED_FAILURE", failure)
    case = Case(channels=8)
    actual = run_with(copy, "no" if failure else "yes", case.model(body=False), case.fed())
    formula(case.attributes(), case.inputs()).assert_matches(actual)


def test_a_half_that_does_not_load_leaves_the_cpu(copy: Path) -> None:
    copy.with_name(HALF).write_text("no library")
    case = Case(channels=8)
    actual = run_with(copy, "no", case.model(body=False), case.fed())
    formula(case.attributes(), case.inputs()).assert_matches(actual)
