"""Providers: ORT's names and ours, and none that was asked for is missing in silence."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest

import zaponnx
from zaponnx.errors import InvalidArgument, ModelError, RuntimeUnavailable
from zaponnx.providers import gpu_of, on_cpu
from zaponnx.runtime import register_for

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.fixture
def cuda_listed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """An ORT that lists CUDA, as onnxruntime-gpu does everywhere; the keywords of the sessions that it made.

    As without a driver, a session runs on the CPU.
    """
    made: list[dict[str, Any]] = []
    create = onnxruntime.InferenceSession

    def on_cpu(model: Any, options: Any, providers: Any, **keywords: Any) -> onnxruntime.InferenceSession:
        made.append({"providers": providers, **keywords})
        return create(model, options, providers=[CPU], **keywords)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_cpu)
    return made


@pytest.mark.parametrize("name", ["cpu", "CPU", CPU, ("cpu", {}), (CPU, {"unused": 1})])
def test_names(zap_model: Path, name: Any) -> None:
    assert zaponnx.InferenceSession(zap_model, providers=[name]).get_providers() == [CPU]


@pytest.mark.parametrize("providers", [None, []])
def test_the_default_is_the_cpu(zap_model: Path, providers: Any) -> None:
    assert zaponnx.InferenceSession(zap_model, providers=providers).get_providers() == [CPU]


@pytest.mark.parametrize(
    "arguments",
    [
        {"providers": [("cuda", {"device_id": 1}), "cpu"]},
        {"providers": [CUDA, CPU], "provider_options": [{"device_id": 1}, {}]},
    ],
)
def test_options_reach_onnxruntime(
    zap_model: Path, cuda_listed: list[dict[str, Any]], arguments: dict[str, Any]
) -> None:
    with pytest.raises(RuntimeUnavailable):
        zaponnx.InferenceSession(zap_model, **arguments)
    assert cuda_listed[0]["providers"] == [(CUDA, {"device_id": 1}), (CPU, {})]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"providers": ["abacus"]}, rf"unknown provider 'abacus'; use one of .*{CPU}"),
        ({"providers": "cpu"}, r"the string 'cpu'; give a list: \['cpu'\]"),
        ({"providers": 5}, r"providers is 5, which is no list; give a list, as in \['cpu'\]"),
        ({"provider_options": {}, "providers": ["cpu"]}, "provider_options is {}, which is no list"),
        ({"providers": ["cpu", CPU]}, f"{CPU} is given twice"),
        ({"providers": [None]}, "None is no provider; give a name"),
        ({"providers": [("cpu", {}, 1)]}, "is no provider"),
        ({"providers": [("cpu", "fast")]}, "is no provider"),
        ({"providers": ["cpu"], "provider_options": [{}, {}]}, "2 provider_options, not 1"),
        ({"provider_options": [{}]}, "1 provider_options, not 0"),
        ({"providers": [("cpu", {})], "provider_options": [{}]}, "both in providers and in provider_options"),
        ({"providers": ["cpu"], "provider_options": ["fast"]}, "is no provider"),
    ],
)
def test_what_onnxruntime_would_pass_over_is_refused(
    zap_model: Path, arguments: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        zaponnx.InferenceSession(zap_model, **arguments)
    assert capsys.readouterr().out == ""


def test_a_gpu_has_a_number() -> None:
    with pytest.raises(InvalidArgument, match="device_id is 'x'; give the GPU's number"):
        gpu_of([("cuda", {"device_id": "x"})])


def test_provider_of_another_onnxruntime(zap_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(RuntimeUnavailable, match=rf"{CUDA} is not available; .* has {CPU}; .*zaponnx\[gpu\]"):
        zaponnx.InferenceSession(zap_model, providers=["cuda", "cpu"])
    with pytest.raises(RuntimeUnavailable, match=f"TensorrtExecutionProvider is not available; .* has {CPU}$"):
        zaponnx.InferenceSession(zap_model, providers=["tensorrt"])


def test_provider_that_onnxruntime_drops_is_no_silent_cpu_run(
    zap_model: Path, cuda_listed: list[dict[str, Any]]
) -> None:
    with pytest.raises(RuntimeUnavailable, match=f"{CUDA} does not start on this machine; check the driver"):
        zaponnx.InferenceSession(zap_model, providers=["cuda"])


def test_no_fallback_at_run_time_unless_asked_for(zap_model: Path, cuda_listed: list[dict[str, Any]]) -> None:
    """ORT would otherwise go on with the CPU when a provider fails in a run."""
    zaponnx.InferenceSession(zap_model)
    zaponnx.InferenceSession(zap_model, enable_fallback=1)
    assert [made["enable_fallback"] for made in cuda_listed] == [0, 1]


def test_nvidias_libraries_are_loaded_for_cuda_only(
    zap_model: Path,
    cuda_listed: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """ORT's preload_dlls finds them in NVIDIA's wheels, and prints what it misses: not to stdout, which is data."""
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("libcudnn.so.9 is missing"))
    zaponnx.InferenceSession(zap_model, providers=["cpu"])
    assert capsys.readouterr() == ("", "")
    with pytest.raises(RuntimeUnavailable):
        zaponnx.InferenceSession(zap_model, providers=["cuda"])
    assert capsys.readouterr() == ("", "libcudnn.so.9 is missing\n")


def test_a_provider_whose_start_fails_is_not_the_models_fault(
    zap_model: Path, cuda_listed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **keywords: Any) -> None:
        raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    with pytest.raises(RuntimeUnavailable, match=rf"{CUDA} does not start .*: CUDA failure 100.*; check the driver"):
        zaponnx.InferenceSession(zap_model, providers=["cuda", "cpu"])
    with pytest.raises(ModelError, match="CUDA failure 100"):
        zaponnx.InferenceSession(zap_model, providers=["cpu"])


def test_providers_added_to_the_session_options_are_kept(zap_model: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.add_provider(CPU, {})
    session = zaponnx.InferenceSession(zap_model, options)  # ORT would warn if it were given others
    assert session.get_providers() == [CPU]
    with pytest.warns(UserWarning, match="already been configured with providers"):
        zaponnx.InferenceSession(zap_model, options, ["cpu"])


@pytest.mark.parametrize(
    ("providers", "gpu", "cpu"),
    [
        (None, None, True),
        ([], None, True),
        (["CPUExecutionProvider", "cuda"], None, True),
        (["cuda", "cpu"], 0, False),
        ([("CUDAExecutionProvider", {"device_id": "2"})], 2, False),
        (["TensorrtExecutionProvider"], 0, False),
        (["OpenVINOExecutionProvider", "cpu"], None, False),
    ],
)
def test_the_first_provider_says_where_it_runs(providers: Any, gpu: int | None, cpu: bool) -> None:
    assert (gpu_of(providers), on_cpu(providers)) == (gpu, cpu)


@pytest.mark.parametrize(
    ("providers", "precision"),
    [
        (["cuda", "cpu"], "tf32"),
        ([("cuda", {"device_id": 1})], "tf32"),
        ([(CUDA, {"use_tf32": True})], "tf32"),
        ([("cuda", {"use_tf32": "0"}), "cpu"], None),
        (["cpu"], None),
        (None, None),
        ([5], None),
    ],
)
def test_zapconvs_are_as_precise_as_the_convolutions_beside_them(providers: Any, precision: str | None) -> None:
    """Without an entry they are of float32."""
    options = onnxruntime.SessionOptions()
    register_for(options, providers)
    assert options.get_session_config_entry("zaponnx.registered") == "1"
    if precision:
        assert options.get_session_config_entry("zaponnx.cuda.precision") == precision
    else:
        with pytest.raises(RuntimeError):
            options.get_session_config_entry("zaponnx.cuda.precision")


def test_a_precision_that_is_asked_for_stays() -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("zaponnx.cuda.precision", "float16")
    register_for(options, ["cuda"])
    assert options.get_session_config_entry("zaponnx.cuda.precision") == "float16"


def test_all_timed_and_evaluated_sessions_are_of_that_precision(
    small: Any, cuda_listed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In sessions that end on the CPU, since there is no driver."""
    asked: list[Any] = []
    monkeypatch.setattr("zaponnx.runtime.rounds_to_tf32", lambda providers, given: asked.append(providers) or True)
    data = {"data": "random", "providers": ["cuda"]}
    for run in (
        lambda: zaponnx.bench(small.converted, small.model, providers=["cuda"]),
        lambda: zaponnx.eval([small.converted], samples=4, **data),
        lambda: zaponnx.InferenceSession(small.converted, providers=["cuda"]),
    ):
        with pytest.raises(RuntimeUnavailable, match="does not start"):
            run()
    assert asked == [["cuda"]] * 3
