"""The examples, built and run against pip's onnxruntime: both print what a session gives."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import zaponnx

EXAMPLES = Path(__file__).parents[2] / "examples"
Result = subprocess.CompletedProcess[str]


def execute(*command: object) -> Result:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def classify_cpp(tmp_path_factory: pytest.TempPathFactory, ort_headers: Path) -> Callable[..., Result]:
    """Runs the C++ example with zaponnx's library."""
    build = tmp_path_factory.mktemp("build")
    programs = Path(sys.executable).parent
    (library,) = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")
    settings = {
        "CMAKE_MAKE_PROGRAM": programs / "ninja",
        "CMAKE_CXX_FLAGS": "-Werror",
        "ONNXRUNTIME_INCLUDE_DIR": ort_headers,
        "ONNXRUNTIME_LIBRARY": library,
    }
    defines = [f"-D{name}={value}" for name, value in settings.items()]
    for command in (["-S", EXAMPLES / "cpp", "-B", build, "-G", "Ninja", *defines], ["--build", build]):
        result = execute(programs / "cmake", *command)
        assert result.returncode == 0, result.stdout + result.stderr
    return lambda *arguments: execute(build / "classify", zaponnx.library_path(), *arguments)


def classify_python(*arguments: object) -> Result:
    return execute(sys.executable, EXAMPLES / "python" / "classify.py", *arguments)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input of the small network."""
    path = tmp_path_factory.mktemp("image") / "image.raw"
    np.random.default_rng(3).standard_normal((3, 12, 12)).astype(np.float32).tofile(path)
    return path


@pytest.mark.parametrize("language", ["python", "cpp"])
def test_class_and_score_are_those_of_a_session(
    small, image: Path, classify_cpp: Callable[..., Result], language: str
) -> None:
    assert any(node.op_type.startswith("ZapConv") for node in onnx.load_model(small.converted).graph.node)
    result = (classify_cpp if language == "cpp" else classify_python)(small.converted, image)
    assert result.returncode == 0, result.stderr
    values = np.fromfile(image, np.float32).reshape(1, 3, 12, 12)
    scores = zaponnx.InferenceSession(small.converted).run(None, {"input": values})[0]
    first, second = result.stdout.splitlines()
    assert first == f"class {scores.argmax()}, score {scores.max():.6g}"
    assert re.fullmatch(r"\d+\.\d{3} ms a run", second)


@pytest.mark.parametrize("language", ["python", "cpp"])
def test_errors(small, image: Path, tmp_path: Path, classify_cpp: Callable[..., Result], language: str) -> None:
    long = tmp_path / "long.raw"
    long.write_bytes(image.read_bytes() + bytes(4))
    for arguments, code, message in (
        ([small.converted, long], 1, "long.raw does not hold 432 float32 values"),
        ([small.converted, tmp_path / "missing.raw"], 1, "missing.raw"),
        ([tmp_path / "missing.onnx", image], 1, "missing.onnx"),
        ([small.converted], 2, "usage: classify"),
    ):
        result = (classify_cpp if language == "cpp" else classify_python)(*arguments)
        assert (result.returncode, result.stdout) == (code, "")
        assert message in result.stderr
        assert "Traceback" not in result.stderr
