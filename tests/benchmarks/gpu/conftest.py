"""The library's interface on the host, in place of kernels."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HEADER = HERE.parents[2] / "custom_ops" / "cuda" / "zaponnx_cuda.h"


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with the C interface that computes on the CPU."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    path = tmp_path_factory.mktemp("stub") / "libzaponnx_cuda.so"
    flags = ["-O2", "-shared", "-fPIC", f"-I{HEADER.parent}", "-o", str(path), str(HERE / "stub.c"), "-lm"]
    subprocess.run([compiler, *flags], check=True)
    return path
