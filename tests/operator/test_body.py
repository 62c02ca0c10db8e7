"""The function bodies against the formula: by ONNX Runtime without zaponnx's library, and by onnx.reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import inliner
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[Any]


def run_ort(model: onnx.ModelProto, inputs: dict[str, Array]) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


def run_reference(model: onnx.ModelProto, inputs: dict[str, Array]) -> Array:
    return np.asarray(ReferenceEvaluator(model).run(None, inputs)[0])


def run_inlined(model: onnx.ModelProto, inputs: dict[str, Array]) -> Array:
    inlined = inliner.inline_local_functions(model)
    assert {node.domain for node in inlined.graph.node} <= {"", "ai.onnx"}
    return run_reference(inlined, inputs)


RUNNERS = [run_ort, run_reference, run_inlined]

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "residual": {"residual": True},
    "pattern A": {"pattern": "A", "size": (13, 11)},
    "pattern C": {"pattern": "C", "size": (13, 11)},
    "pattern D": {"pattern": "D", "size": (7, 10)},
    "odd tile": {"pattern": "100/011", "size": (7, 8)},
    "tile larger than the map": {"pattern": "0000100001/1000010000/0010000100", "size": (2, 3)},
    "strides": {"strides": (2, 3), "size": (12, 13)},
    "asymmetric pads": {"pads": (0, 1, 2, 3)},
    "no pads": {"pads": (0, 0, 0, 0)},
    "dilations": {"dilations": (2, 3), "pads": (2, 3, 2, 3)},
    "groups": {"group": 2},
    "one by one": {"kernel": (1, 1), "pads": (0, 0, 0, 0)},
    "flat kernel": {"kernel": (1, 5), "pads": (0, 2, 0, 2)},
    "one pixel": {"size": (1, 1)},
    "one channel": {"channels": 1, "in_channels": 1},
    "relu6": {"bound": 0.4},
    "relu6 and residual": {"bound": 0.4, "residual": True, "strides": (2, 2)},
    "thresholds per channel": {"threshold": (-math.inf, math.inf, 0.0, 0.2, -0.2, 0.1)},
    "everything": {"threshold": (-math.inf,)},
    "pattern only": {"threshold": (math.inf,)},
    "opset 13": {"opset": 13},
    "opset 23": {"opset": 23, "residual": True},
}


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("arguments", CASES.values(), ids=CASES.keys())
def test_body_is_the_formula(
    make_case: Callable[..., Any], expect: Callable[..., Any], run: Callable[..., Array], arguments: dict[str, Any]
) -> None:
    case = make_case(**arguments)
    expect(case).assert_matches(run(case.model(), case.fed()))


def test_the_cases_skip_some_outputs_and_keep_others(make_case: Callable[..., Any], expect: Callable[..., Any]) -> None:
    """Else the comparison above would not see the predictor."""
    for name in ("plain", "residual", "pattern D", "strides", "groups", "relu6"):
        assert 0.05 < expect(make_case(**CASES[name])).skipped < 0.45


@pytest.mark.parametrize("residual", [False, True])
def test_runtime_and_reference_agree(make_case: Callable[..., Any], residual: bool) -> None:
    """Sums in another order: a few roundings of values up to about 4; no threshold is near a predicted value."""
    case = make_case(batch=3, size=(17, 16), residual=residual)
    inputs = case.fed()
    np.testing.assert_allclose(run_ort(case.model(), inputs), run_reference(case.model(), inputs), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("name", ["plain", "relu6 and residual", "strides", "groups", "opset 13", "opset 23"])
def test_the_nhwc_bodies_are_the_formula_of_the_transposes(
    make_case: Callable[..., Any], expect: Callable[..., Any], run: Callable[..., Array], name: str
) -> None:
    case = make_case(**CASES[name], nhwc=True)
    expect(case).assert_matches(run(case.model(), case.fed()).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("run", RUNNERS)
@pytest.mark.parametrize("name", ["P1", "p2"])
def test_where_the_prediction_is_nan_outputs_are_computed(
    make_case: Callable[..., Any], expect: Callable[..., Any], run: Callable[..., Array], name: str
) -> None:
    case = make_case(threshold=(math.inf,), poison={name: math.nan})
    expected = expect(case)
    hidden = np.isnan(expected.predicted) & ~expected.in_pattern
    assert hidden.any()
    actual = run(case.model(), {"X": case.inputs()["X"]})
    np.testing.assert_allclose(actual[hidden], expected.result[hidden], rtol=1e-5, atol=1e-5)
    assert np.count_nonzero(actual[hidden]) > 0


def test_batch_and_size_may_change_between_runs(make_case: Callable[..., Any], expect: Callable[..., Any]) -> None:
    model = make_case().model().SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for batch, size in ((1, (5, 5)), (3, (8, 4)), (2, (1, 7))):
        case = make_case(batch=batch, size=size)
        expect(case).assert_matches(session.run(None, {"X": case.inputs()["X"]})[0])


def test_an_empty_batch_gives_an_empty_output(make_case: Callable[..., Any]) -> None:
    case = make_case(batch=0)
    for run in RUNNERS:
        assert run(case.model(), {"X": case.inputs()["X"]}).shape == (0, 6, 9, 8)
