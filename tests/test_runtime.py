import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import zaponnx
from zaponnx.errors import InvalidArgument, ModelError, RuntimeUnavailable


def test_library_path_is_a_file() -> None:
    assert zaponnx.library_path().is_file()


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(zaponnx, "__path__", [str(tmp_path)])
    with pytest.raises(RuntimeUnavailable, match=r"libzaponnx_ops\.so is not installed; .*pip"):
        zaponnx.library_path()


def test_library_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "lib" / zaponnx.library_path().name
    library.parent.mkdir()
    library.write_bytes(b"no library")
    monkeypatch.setattr(zaponnx, "__path__", [str(tmp_path)])
    with pytest.raises(RuntimeUnavailable, match="does not load"):
        zaponnx.register(onnxruntime.SessionOptions())


def test_registering_twice_changes_nothing(zap_model: Path) -> None:
    options = onnxruntime.SessionOptions()
    zaponnx.register(options)
    zaponnx.register(options)
    for _ in range(2):  # and the options serve several sessions
        zaponnx.InferenceSession(zap_model, options)


def test_session_is_onnxruntimes_and_takes_bytes(zap_model: Path) -> None:
    session = zaponnx.InferenceSession(zap_model.read_bytes())
    assert isinstance(session, onnxruntime.InferenceSession)


@pytest.mark.parametrize("name", ["cpu", "CPU", "CPUExecutionProvider", ("cpu", {})])
def test_provider_names(zap_model: Path, name: str) -> None:
    session = zaponnx.InferenceSession(zap_model, providers=[name])
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_unknown_provider(zap_model: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"unknown provider 'abacus'; use one of .*CPUExecutionProvider"):
        zaponnx.InferenceSession(zap_model, providers=["abacus"])


def test_provider_of_another_onnxruntime(zap_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RuntimeUnavailable, match="CUDAExecutionProvider is not available"):
        zaponnx.InferenceSession(zap_model, providers=["cuda", "cpu"])


def test_provider_that_onnxruntime_drops_is_no_silent_cpu_run(zap_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime-gpu lists CUDA as available without a driver and then falls back to the CPU."""
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    create = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda model, options, providers: create(model, options, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(RuntimeUnavailable, match="CUDAExecutionProvider does not start"):
        zaponnx.InferenceSession(zap_model, providers=["cuda"])


def test_foreign_file_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"foreign\.onnx: ONNX Runtime refuses it"):
        zaponnx.InferenceSession(path)


def test_missing_onnxruntime_names_the_extras(monkeypatch: pytest.MonkeyPatch, zap_model: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeUnavailable, match=r"zaponnx\[cpu\].*zaponnx\[gpu\]"):
        zaponnx.InferenceSession(zap_model)


def test_import_needs_the_standard_library_only() -> None:
    code = "import sys, zaponnx; print([m for m in ('numpy', 'onnx', 'torch', 'click') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in zaponnx.__all__ if name != "__version__"])
def test_public_names_load(name: str) -> None:
    assert callable(getattr(zaponnx, name))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'teleport'"):
        zaponnx.teleport  # noqa: B018 - the access is the test


def test_missing_calibration_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("zaponnx.calib.exporting")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RuntimeUnavailable, match=r"torch is not installed; pip install 'zaponnx\[calib\]'"):
        zaponnx.export  # noqa: B018 - the access is the test


def test_outputs_without_the_library_agree(zap_model: Path) -> None:
    """The function body is what plain ONNX Runtime runs; both sum in float32, in different orders."""
    session = zaponnx.InferenceSession(zap_model)
    plain = onnxruntime.InferenceSession(zap_model, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).standard_normal((2, 4, 7, 9)).astype(np.float32)
    for mine, theirs in zip(session.run(None, {"X": x}), plain.run(None, {"X": x}), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_a_kernel_that_the_machine_lacks_is_no_silent_fallback(
    small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZAPONNX_ISA", "abacus")
    with pytest.raises(RuntimeUnavailable, match="ZAPONNX_ISA asks for 'abacus'"):
        zaponnx.convert(small.model, small.calibration, small.fit, tmp_path / "new.onnx", epsilon=0.5)
    assert not list(tmp_path.iterdir())


def test_paths_may_be_strings(small, tmp_path: Path) -> None:
    output = str(tmp_path / "new.json")  # nor does the suffix matter
    zaponnx.convert(str(small.model), str(small.calibration), str(small.fit), output, epsilon=0.5)
    assert zaponnx.inspect(output).converted
    assert zaponnx.eval([str(small.model), output], "random", samples=4).models[1].path == Path(output)
    zaponnx.fit(str(small.calibration), str(tmp_path / "new.zapfit.json"))
    zaponnx.bench(output, str(small.model), threads=(1,), iterations=1, warmup=0)


def test_one_expression_may_be_a_string(small, tmp_path: Path) -> None:
    from zaponnx.artifact_files import load_calibration

    name = load_calibration(small.calibration).sites[0].name
    chosen = zaponnx.calibrate(
        small.model, "random", tmp_path / "one.zapcal", include=name, samples=8, epochs=1, batch_size=4
    )
    assert [site.name for site in chosen.sites] == [name]


def test_a_converted_model_is_not_calibrated(small, tmp_path: Path) -> None:
    converted = tmp_path / "new.onnx"
    zaponnx.convert(small.model, small.calibration, small.fit, converted, epsilon=0.5)
    with pytest.raises(ModelError, match="converted already"):
        zaponnx.calibrate(converted, "random", tmp_path / "new.zapcal")
