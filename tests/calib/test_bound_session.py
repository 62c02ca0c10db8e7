"""Sessions whose outputs stay on a device: the CPU, in the same way as a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.capi import _pybind_state as C

from zaponnx.calib.bound_session import BoundSession
from zaponnx.calib.devices import CPU
from zaponnx.runtime import session_options

Model = """<ir_version: 8, opset_import: ["": 17]> sum_and_positive (float[N, M] a, float[N, M] b) => (
    float[N, M] sum, float[N, M] positive
) {
    sum = Add (a, b)
    positive = Relu (sum)
}"""


@pytest.fixture
def session() -> onnxruntime.InferenceSession:
    model = onnx.parser.parse_model(Model).SerializeToString()
    return onnxruntime.InferenceSession(model, session_options(), providers=["CPUExecutionProvider"])


def arrays(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal((3, rows)).astype(np.float32).T for name in ("a", "b")}  # not contiguous


def test_outputs_come_in_the_order_of_their_names(session: onnxruntime.InferenceSession) -> None:
    inputs = arrays(2)
    found = BoundSession(session, ["positive", "sum"], CPU).run(inputs)
    expected = inputs["a"] + inputs["b"]
    np.testing.assert_array_equal(found[0], np.maximum(expected, 0))
    np.testing.assert_array_equal(found[1], expected)


def test_no_run_changes_the_outputs_of_an_earlier_one(session: onnxruntime.InferenceSession) -> None:
    bound = BoundSession(session, ["sum"], CPU)
    kept = [(bound.run(arrays(rows, seed))[0], arrays(rows, seed)) for seed, rows in enumerate((4, 4, 2, 4))]
    for found, inputs in kept:
        np.testing.assert_array_equal(found, inputs["a"] + inputs["b"])


@pytest.mark.parametrize("known_to", ["OrtValue", "what it wraps"])
def test_outputs_lie_in_onnx_runtimes_memory(
    known_to: str, session: onnxruntime.InferenceSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with ONNX Runtime 1.21 to 1.24, whose OrtValue has no DLPack of its own."""
    if known_to != "OrtValue":
        monkeypatch.delattr(onnxruntime.OrtValue, "__dlpack__", raising=False)
        monkeypatch.delattr(onnxruntime.OrtValue, "__dlpack_device__", raising=False)
    copies: list[int] = []
    monkeypatch.setattr(onnxruntime.OrtValue, "numpy", lambda value: copies.append(value.data_ptr()))
    inputs = arrays(2)
    found = BoundSession(session, ["sum"], CPU).run(inputs)[0]
    assert not copies
    np.testing.assert_array_equal(found, inputs["a"] + inputs["b"])


def test_onnx_runtimes_without_dlpack_give_copies(
    session: onnxruntime.InferenceSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (onnxruntime.OrtValue, C.OrtValue):
        monkeypatch.delattr(kind, "__dlpack__", raising=False)
    inputs = arrays(3)
    np.testing.assert_array_equal(BoundSession(session, ["sum"], CPU).run(inputs)[0], inputs["a"] + inputs["b"])


class Recorded:
    """A session, its binding and the values that it gives, which record what is asked of them."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((name, *arguments))
            return {"io_binding": self, "get_outputs": []}.get(name)

        return call


def test_another_device_differs_by_its_name_and_by_waiting_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded()
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: recorded.calls.append(("synchronize", device)))
    device, array = torch.device("cuda", 1), np.zeros(2, np.float32)
    BoundSession(recorded, ["sum"], device).run({"a": array})
    assert recorded.calls[0] == ("synchronize", device)
    assert ("bind_cpu_input", "a", array) in recorded.calls
    assert ("bind_output", "sum", "cuda", 1) in recorded.calls


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no GPU here")
def test_outputs_stay_on_the_gpu() -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDAExecutionProvider")
    model = onnx.parser.parse_model(Model).SerializeToString()
    session = onnxruntime.InferenceSession(model, session_options(), providers=["CUDAExecutionProvider"])
    bound, inputs = BoundSession(session, ["sum"], torch.device("cuda", 0)), arrays(4)
    first = bound.run(inputs)[0]
    bound.run(arrays(4, 1))
    assert first.device == torch.device("cuda", 0)
    np.testing.assert_array_equal(first.cpu(), inputs["a"] + inputs["b"])
