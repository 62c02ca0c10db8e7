import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
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
    with pytest.raises(RuntimeUnavailable, match=r"does not load: .*; install zaponnx anew on this machine"):
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


def test_session_takes_what_onnxruntimes_takes(zap_model: Path) -> None:
    """Session options and keywords reach the session; without options they are ORT's own."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = zaponnx.InferenceSession(str(zap_model), options, ["cpu"], [{}], disabled_optimizers=["ConstantFolding"])
    assert session.get_session_options().intra_op_num_threads == 1
    default = zaponnx.InferenceSession(zap_model).get_session_options()
    assert default.log_severity_level == onnxruntime.SessionOptions().log_severity_level


@pytest.mark.parametrize("function", [zaponnx.register, lambda options: zaponnx.InferenceSession(b"", options)])
def test_other_session_options_are_refused(function: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidArgument, match=r"are an onnxruntime\.SessionOptions, not a dict"):
        function({})


def test_many_sessions_share_a_library_and_outlive_each_other(zap_model: Path) -> None:
    x = np.random.default_rng(0).standard_normal((1, 4, 7, 9)).astype(np.float32)
    sessions = [zaponnx.InferenceSession(zap_model) for _ in range(20)]
    [expected] = sessions[0].run(None, {"X": x})
    while sessions:
        del sessions[: max(1, len(sessions) // 2)]
        for session in sessions:
            np.testing.assert_array_equal(session.run(None, {"X": x})[0], expected)
    np.testing.assert_array_equal(zaponnx.InferenceSession(zap_model).run(None, {"X": x})[0], expected)


def test_foreign_file_is_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"foreign\.onnx: ONNX Runtime refuses it"):
        zaponnx.InferenceSession(path)


def test_missing_onnxruntime_names_the_extras(monkeypatch: pytest.MonkeyPatch, zap_model: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeUnavailable, match=r"zaponnx\[cpu\].*zaponnx\[gpu\]"):
        zaponnx.InferenceSession(zap_model)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot import name 'InferenceSession'"),  # what an uninstalled wheel leaves behind
        ("raise ImportError('libcudart.so.13: cannot open shared object file')", "libcudart.so.13: cannot open"),
    ],
)
def test_onnxruntime_that_does_not_load_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "onnxruntime.py").write_text(content)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import zaponnx; zaponnx.InferenceSession('x.onnx')"
    result = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    last = result.stderr.splitlines()[-1]
    assert "RuntimeUnavailable: run: ONNX Runtime does not load" in last
    assert message in last
    assert last.count("pip uninstall onnxruntime onnxruntime-gpu") == 1


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
        small.model, "random", tmp_path / "one.zapcal", include=name, samples=8, epochs=1, batch_size=4, refine_steps=0
    )
    assert [site.name for site in chosen.sites] == [name]


def test_a_converted_model_is_not_calibrated(small, tmp_path: Path) -> None:
    converted = tmp_path / "new.onnx"
    zaponnx.convert(small.model, small.calibration, small.fit, converted, epsilon=0.5)
    with pytest.raises(ModelError, match="converted already"):
        zaponnx.calibrate(converted, "random", tmp_path / "new.zapcal")


@pytest.mark.parametrize("model", [None, 5, bytearray(3)])
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(InvalidArgument, match=rf"run: a model is a path or bytes, not a {type(model).__name__}; give"):
        zaponnx.InferenceSession(model)


def test_an_operator_of_another_domain_needs_a_function(tmp_path: Path) -> None:
    """zaponnx registers no other libraries; the message says what to do, and that helps."""
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 17, "com.user": 1]>
        net (float[3] x) => (float[3] y) { y = com.user.Twice(x) }""")
    with pytest.raises(ModelError, match=r"com\.user:Twice.*; give the model the operator as a model-local function"):
        zaponnx.InferenceSession(model.SerializeToString())
    function = '<domain: "com.user", opset_import: ["": 17]> Twice (a) => (b) { b = Add(a, a) }'
    model.functions.append(onnx.parser.parse_function(function))
    (y,) = zaponnx.InferenceSession(model.SerializeToString()).run(None, {"x": np.ones(3, np.float32)})
    assert y.tolist() == [2, 2, 2]
