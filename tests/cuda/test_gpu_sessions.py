"""The operators in sessions of onnxruntime-gpu on a GPU: against the formula, and what sessions do with them."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import zaponnx
from tests.conftest import Flow
from tests.formula import formula
from tests.operator.case import Case
from zaponnx.cuda_half import cuda_half
from zaponnx.operator import INPUTS

CUDA = "CUDAExecutionProvider"

if CUDA not in onnxruntime.get_available_providers():
    pytest.skip(f"this ONNX Runtime has no {CUDA}", allow_module_level=True)
if problem := cuda_half(zaponnx.library_path()).problem:
    pytest.skip(problem, allow_module_level=True)

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "by tiles": {"channels": 70, "in_channels": 20, "size": (17, 15)},
    "residual": {"channels": 10, "residual": True},
    "ReLU6 and residual": {"bound": 0.4, "residual": True, "strides": (2, 1), "channels": 8},
    "groups": {"pattern": "D", "size": (7, 13), "group": 2, "channels": 16},
    "dilations, pads": {"dilations": (2, 3), "pads": (2, 3, 1, 4), "channels": 8},
    "thresholds by channel": {"threshold": (-math.inf, math.inf, 0.0, 0.2, -0.2, 0.1, 0.3, 0.4), "channels": 8},
    "NaN in X": {"poison": {"X": math.nan}, "channels": 8},
}


def session_of(
    model: onnx.ModelProto | Path, precision: str = "float32", provider: dict[str, Any] | None = None, **entries: Any
) -> Any:
    """A session on the GPU; entries are attributes of the session options."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("zaponnx.cuda.precision", precision)
    for name, value in entries.items():
        setattr(options, name, value)
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return zaponnx.InferenceSession(source, options, providers=[("cuda", provider or {"use_tf32": 0})])


def chain(case: Case, length: int) -> onnx.ModelProto:
    """So many of a case's ZapConvs, each fed by the one before."""
    model = case.model(body=False)
    [node] = model.graph.node
    del model.graph.node[:]
    for index in range(length):
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = f"zap{index}"
        copy.input[0] = f"Y{index - 1}" if index else "X"
        copy.output[0] = f"Y{index}" if index < length - 1 else "Y"
        model.graph.node.append(copy)
    return model


LINKS = Case(channels=16, in_channels=16, size=(20, 24), threshold=(0.3,))


@pytest.mark.parametrize("nhwc", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_formula(name: str, nhwc: bool) -> None:
    case = Case(**CASES[name], nhwc=nhwc)
    actual = session_of(case.model(body=False)).run(None, case.fed())[0]
    formula(case.attributes(), case.inputs()).assert_matches(actual.transpose(0, 3, 1, 2) if nhwc else actual)


@pytest.mark.parametrize("precision", ["tf32", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_other_precisions(name: str, precision: str) -> None:
    """180 products of size 0.25, of factors of 11 bits, are off by 1e-3; the predictor makes three times that of it."""
    case = Case(**CASES[name])
    actual = session_of(case.model(body=False), precision).run(None, case.fed())[0]
    formula(case.attributes(), case.inputs()).assert_matches(actual, 1e-2)


@pytest.mark.parametrize("fed_weights", [("W",), INPUTS[1:]])
def test_weights_need_not_be_constant(fed_weights: tuple[str, ...]) -> None:
    case = Case(channels=8)
    model, inputs = case.with_fed_weights(fed_weights)
    session = session_of(model)
    for _ in range(2):
        formula(case.attributes(), case.inputs()).assert_matches(session.run(None, inputs)[0])


def test_what_is_wrong_is_told_and_the_session_lives_on() -> None:
    case = Case(channels=8)
    model = case.model(body=False)
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("X", TensorProto.FLOAT, None))
    session = session_of(model)
    with pytest.raises(Exception, match=r"input X has 5 channels"):
        session.run(None, {"X": np.zeros((2, 5, 9, 8), np.float32)})
    formula(case.attributes(), case.inputs()).assert_matches(session.run(None, case.fed())[0])
    assert session.run(None, {"X": np.zeros((0, 4, 9, 8), np.float32)})[0].shape == (0, 8, 9, 8)


def placed(model: onnx.ModelProto | Path, feeds: dict[str, Any], directory: Path) -> list[tuple[str, str]]:
    """What ran in a session on the GPU: each node's operator and provider."""
    session = session_of(model, enable_profiling=True, profile_file_prefix=str(directory / "profile"))
    session.run(None, feeds)
    events = json.loads(Path(session.end_profiling()).read_text())
    ran = [event["args"] for event in events if event["cat"] == "Node" and event["name"].endswith("_kernel_time")]
    return [(each["op_name"], each["provider"]) for each in ran]


def test_all_of_it_runs_on_the_gpu(tmp_path: Path) -> None:
    """With no copies between the ZapConvs."""
    assert placed(chain(LINKS, 3), LINKS.fed(), tmp_path) == [("ZapConv", CUDA)] * 3


def test_all_of_a_converted_model_runs_on_the_gpu(small: Flow, tmp_path: Path) -> None:
    images = np.random.default_rng(0).standard_normal((3, 3, 12, 12)).astype(np.float32)
    found = placed(small.converted, {"input": images}, tmp_path)
    assert [name for name, _ in found if name.startswith("ZapConv")]
    assert {provider for _, provider in found} == {CUDA}


@pytest.mark.parametrize("precision", ["float32", "tf32", "float16"])
def test_runs_give_the_same_bits(precision: str) -> None:
    model = chain(LINKS, 3)
    expected = session_of(model, precision).run(None, LINKS.fed())[0]
    session = session_of(model, precision)
    for _ in range(20):
        np.testing.assert_array_equal(session.run(None, LINKS.fed())[0], expected)


def test_runs_at_the_same_time_do_not_meet() -> None:
    """Of one session, each with an input of its own, and of another shape than its neighbours."""
    session = session_of(chain(LINKS, 4))
    generator = np.random.default_rng(0)
    inputs = [generator.standard_normal((1 + i % 3, 16, 20 + i, 24)).astype(np.float32) for i in range(8)]
    expected = [session.run(None, {"X": each})[0] for each in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(25):
            for found, right in zip(pool.map(lambda x: session.run(None, {"X": x})[0], inputs), expected, strict=True):
                np.testing.assert_array_equal(found, right)


def bound(session: Any, x: np.ndarray, y_shape: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """A binding of X and Y on the device, and both."""
    given = onnxruntime.OrtValue.ortvalue_from_numpy(x, "cuda", 0)
    taken = onnxruntime.OrtValue.ortvalue_from_shape_and_type(y_shape, np.float32, "cuda", 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input("X", given)
    binding.bind_ortvalue_output("Y", taken)
    return binding, given, taken


def test_inputs_and_outputs_may_stay_on_the_device() -> None:
    session = session_of(chain(LINKS, 3))
    x = LINKS.fed()["X"]
    expected = session.run(None, {"X": x})[0]
    binding, _, y = bound(session, x, expected.shape)
    session.run_with_iobinding(binding)
    np.testing.assert_array_equal(y.numpy(), expected)


@pytest.mark.parametrize("precision", ["float32", "tf32", "float16"])
def test_runs_can_be_captured_in_a_cuda_graph(precision: str) -> None:
    """The replays see new inputs in the same memory."""
    model = chain(LINKS, 3)
    plain = session_of(model, precision)
    session = session_of(model, precision, {"use_tf32": 0, "enable_cuda_graph": 1})
    generator = np.random.default_rng(1)
    inputs = [generator.standard_normal(LINKS.fed()["X"].shape).astype(np.float32) for _ in range(6)]
    binding, given, y = bound(session, inputs[0], plain.run(None, {"X": inputs[0]})[0].shape)
    for x in inputs:
        given.update_inplace(x)
        session.run_with_iobinding(binding)
        np.testing.assert_array_equal(y.numpy(), plain.run(None, {"X": x})[0])


def test_on_a_stream_of_the_callers() -> None:
    """Torch's, whose work before and after the run needs no other waiting."""
    torch = pytest.importorskip("torch")
    stream = torch.cuda.Stream()
    model = chain(LINKS, 3)
    options = {"use_tf32": 0, "user_compute_stream": str(stream.cuda_stream)}
    session = session_of(model, provider=options)
    x = LINKS.fed()["X"]
    expected = session_of(model).run(None, {"X": x})[0]
    with torch.cuda.stream(stream):
        for _ in range(10):
            torch.cuda._sleep(10_000_000)
            given = torch.from_numpy(x).cuda(non_blocking=True) * 1
            y = torch.empty(expected.shape, device="cuda")
            binding = session.io_binding()
            for bind, name, tensor in ((binding.bind_input, "X", given), (binding.bind_output, "Y", y)):
                bind(name, "cuda", 0, np.float32, tuple(tensor.shape), tensor.data_ptr())
            run_options = onnxruntime.RunOptions()
            run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
            session.run_with_iobinding(binding, run_options)
            np.testing.assert_array_equal((y * 1).cpu().numpy(), expected)


@pytest.mark.parametrize("options", [{"arena_extend_strategy": "kSameAsRequested"}, {"prefer_nhwc": 1}])
def test_with_other_options_of_the_provider(options: dict[str, Any]) -> None:
    case = Case(channels=70, in_channels=20, size=(17, 15))
    actual = session_of(case.model(body=False), provider={"use_tf32": 0, **options}).run(None, case.fed())[0]
    formula(case.attributes(), case.inputs()).assert_matches(actual)


def test_selfcheck_runs_there_too() -> None:
    result = zaponnx.selfcheck()
    assert result.problem == ""
    assert "the library on CUDA" in result.differences
