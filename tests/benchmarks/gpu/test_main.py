"""The program: its arguments, and what it says where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch

from benchmarks.gpu import __main__ as benchmark
from benchmarks.gpu import sessions
from benchmarks.timing import Effort

ROOT = Path(benchmark.__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--library", "none.so"], "there is no none.so: give the path of libzaponnx_cuda.so, with --library"),
        (["--library", __file__, "--batches", "0"], "batches and rounds are at least 1"),
        (["--library", __file__, "--element-channels", "65"], "--element-channels is from 0 to 64"),
        (["--library", __file__, "--models", __file__, "none", "none"], "there is no none: --models takes the dense"),
        (["--library", __file__, "--precisions", "bfloat16"], "invalid choice"),
        ([], "no library is given: give the path of libzaponnx_cuda.so, with --library or ZAPONNX_CUDA_LIBRARY"),
    ],
)
def test_arguments_that_cannot_be_right(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZAPONNX_CUDA_LIBRARY", raising=False)
    with pytest.raises(SystemExit) as caught:
        benchmark.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch has a GPU here")
def test_without_a_gpu_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--library", __file__, "--output", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"benchmarks.gpu: torch {torch.__version__} ")
    assert "NVIDIA GPU" in printed.err
    assert not any(tmp_path.iterdir())


def test_it_needs_no_zaponnx() -> None:
    """The folder is all that a machine with a GPU gets, beside torch."""
    program = (
        "import sys; sys.modules['zaponnx'] = None; from benchmarks.gpu.__main__ import NETWORKS; print(*NETWORKS)"
    )
    environment = {**os.environ, "PYTHONPATH": ""}
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (found.stdout, found.returncode) == ("resnet18 vgg16 alexnet\n", 0), found.stderr


def test_models_are_timed_in_onnx_runtime(zap_model: Path, dense_model: Path, tmp_path: Path) -> None:
    """On the CPU, in the same way as on a GPU."""
    import zaponnx

    for path in (zap_model, dense_model):
        assert onnx.load_model(path).graph.input[0].name == "X"
    found = sessions.session_times(
        dense_model, zap_model, zaponnx.library_path(), 2, False, False, Effort(5, 1), "CPUExecutionProvider"
    )
    assert (found.dense, found.batch, found.dense_times.rounds) == (dense_model.name, 2, 5)
    assert min(found.dense_times.median_ms, found.converted_times.median_ms) > 0


def test_zapconvs_have_the_precision_of_the_convolutions_beside_them(
    zap_model: Path, dense_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zaponnx

    with pytest.raises(Exception, match=r"zaponnx\.cuda\.precision is 'double'"):
        sessions.bound_run(zap_model, zaponnx.library_path(), 1, "CPUExecutionProvider", {}, "double")
    asked: list[tuple[dict[str, int], str]] = []
    monkeypatch.setattr(sessions, "bound_run", lambda *arguments: asked.append(arguments[-2:]) or (lambda: 1.0))
    for tf32 in (False, True):
        sessions.session_times(dense_model, zap_model, zaponnx.library_path(), 1, tf32, True, Effort(1, 1))
    expected = [({"use_tf32": tf32, "enable_cuda_graph": 1}, name) for tf32, name in enumerate(("float32", "tf32"))]
    assert asked == [each for each in expected for _ in range(2)]


@pytest.mark.skipif(sessions.unavailable() == "", reason="this ONNX Runtime has the CUDA provider")
def test_an_onnx_runtime_without_cuda_is_named() -> None:
    assert sessions.unavailable().startswith("this ONNX Runtime has no CUDAExecutionProvider")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no GPU here")
def test_one_layer_on_the_gpu(tmp_path: Path) -> None:
    library = os.environ.get("ZAPONNX_CUDA_LIBRARY")
    if library is None:
        pytest.skip("ZAPONNX_CUDA_LIBRARY does not name libzaponnx_cuda.so")
    arguments = ["--networks", "alexnet", "--batches", "1", "--rounds", "5", "--seconds", "0"]
    assert benchmark.main(["--library", library, "--output", str(tmp_path), *arguments]) == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md"}
