import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import zaponnx
from zaponnx import self_check, tables
from zaponnx.cuda_half import CudaHalf


def test_three_ways_agree_and_are_reported() -> None:
    result = zaponnx.selfcheck()
    assert set(result.differences) == {"ONNX Runtime without the library", "onnx.reference"}
    assert max(result.differences.values()) <= result.tolerance
    assert result.problem == ""
    assert result.library == zaponnx.library_path()
    assert result.to_json()["library"] == str(result.library)


def test_isa_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAPONNX_ISA", "scalar")
    assert zaponnx.selfcheck().isa == "scalar"


def test_disagreement_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = self_check._plain
    monkeypatch.setattr(self_check, "_plain", lambda model, x: plain(model, x) + 1e-3)
    result = zaponnx.selfcheck()
    assert result.problem.startswith(f"selfcheck: {zaponnx.library_path()}: ONNX Runtime without the library and")
    assert "differ by 0.001" in result.problem


def test_nan_is_a_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = self_check._plain
    monkeypatch.setattr(self_check, "_plain", lambda model, x: plain(model, x) * np.float32(np.nan))
    result = zaponnx.selfcheck()
    assert "differ by nan" in result.problem
    json.dumps(result.to_json(), allow_nan=False)


def test_a_missing_library_is_told_beside_the_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zaponnx, "__path__", [str(tmp_path)])
    result = zaponnx.selfcheck()
    assert "is not installed" in result.problem
    assert result.versions["zaponnx"] == zaponnx.__version__
    assert (result.library, result.isa, result.cuda, result.differences) == (None, "", None, {})


def test_the_cuda_half_is_reported() -> None:
    """Whatever it finds: on a machine with a GPU its name, else why there is none."""
    result = zaponnx.selfcheck()
    assert result.cuda is not None
    assert bool(result.cuda.device) != bool(result.cuda.problem)
    assert result.to_json()["cuda"]["library"] == (str(result.cuda.library) if result.cuda.library else None)
    assert f": {result.cuda.device or result.cuda.problem}" in tables.selfcheck(result)


def test_a_gpu_that_onnx_runtime_cannot_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = CudaHalf(Path("libzaponnx_cuda.so"), "a GPU, sm_90", "")
    monkeypatch.setattr(self_check, "cuda_half", lambda library: found)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    text = tables.selfcheck(zaponnx.selfcheck())
    assert "a GPU, sm_90; not used: this ONNX Runtime has no CUDAExecutionProvider" in text


def test_on_a_gpu_it_is_run_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = CudaHalf(Path("libzaponnx_cuda.so"), "a GPU, sm_90", "")
    monkeypatch.setattr(self_check, "cuda_half", lambda library: found)
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(self_check, "_on_gpu", lambda model, x: self_check._plain(model, x) + 1)
    result = zaponnx.selfcheck()
    assert result.problem.startswith(f"selfcheck: {zaponnx.library_path()}: the library on CUDA and")


def test_no_value_of_the_tiny_model_is_near_its_threshold() -> None:
    """So that rounding cannot flip a decision: V, with the threshold at 0, stays 100 tolerances away from it."""
    model = self_check.tiny_model(self_check.CHANNELS)
    function = model.functions[0]
    function.output[0] = "predicted"
    del function.node[next(i for i, node in enumerate(function.node) if "predicted" in node.output) + 1 :]
    x = np.random.default_rng(0).standard_normal((1, self_check.CHANNELS, 9, 9)).astype(np.float32)
    values = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": x})[0]
    assert np.abs(values).min() > 100 * self_check.TOLERANCE
    assert (values > 0).any()
    assert (values < 0).any()


def test_tiny_model_is_a_valid_model() -> None:
    onnx.checker.check_model(self_check.tiny_model(), full_check=True)
