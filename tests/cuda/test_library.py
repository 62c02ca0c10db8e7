"""The CUDA half without a GPU: what the file has in it, and how it meets a machine without a driver."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest

import zaponnx
from zaponnx.cuda_half import CudaHalf, cuda_half
from zaponnx.errors import RuntimeUnavailable

PROVIDER = "CUDAExecutionProvider"
HEADER = Path(__file__).parents[2] / "custom_ops" / "cuda" / "zaponnx_cuda.h"


@pytest.fixture(scope="module")
def library() -> Path:
    """The library, as installed."""
    found = cuda_half(zaponnx.library_path())
    if found.library is None:
        pytest.skip(found.problem)
    return found.library


def test_the_header_is_plain_c(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = tmp_path / "use.c"
    source.write_text(f'#include "{HEADER}"\nint main(void) {{ return zaponnx_cuda_interface(); }}\n')
    subprocess.run([compiler, "-std=c99", "-pedantic", "-Wall", "-Werror", "-fsyntax-only", source], check=True)


def test_the_interface_is_that_of_the_header(library: Path, tmp_path: Path) -> None:
    """The version that Python knows, and the functions that the library exports."""
    assert f"#define ZAPONNX_CUDA_INTERFACE {sys.modules[CudaHalf.__module__]._INTERFACE}\n" in HEADER.read_text()
    declared = set(re.findall(r"^\S.*?\b(zaponnx_cuda_\w+)\(", HEADER.read_text(), flags=re.MULTILINE))
    command = ["nm", "-D", "--defined-only", library]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert {line.split()[-1] for line in listing.splitlines()} == declared


def test_it_needs_neither_a_driver_nor_a_runtime(library: Path) -> None:
    """To load: it has its own runtime, which looks for the driver when it is used."""
    command = ["readelf", "--dynamic", library]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    needed = re.findall(r"NEEDED.*\[(.+)\]", listing)
    assert needed
    assert not [name for name in needed if "cuda" in name or "nv" in name]


def test_it_has_code_for_every_architecture(library: Path) -> None:
    """Each kernel's file: machine code of five architectures, and PTX for what comes later."""
    content = library.read_bytes()
    images = list(_fat_binaries(content))
    assert len(images) == 6
    assert {frozenset(image) for image in images} == {
        frozenset({("ptx", 90), *(("elf", architecture) for architecture in (75, 80, 86, 89, 90))})
    }


def _fat_binaries(content: bytes) -> Iterator[list[tuple[str, int]]]:
    """Of each container of device code, what is in it: kind and architecture.

    A container's header has a magic number, a version, its own size and that of its entries; an entry's has its kind (1
    for PTX, 2 for machine code), its own size, that of its content, and at byte 28 the architecture.
    """
    magic = struct.pack("<I", 0xBA55ED50)
    start = content.find(magic)
    while start >= 0:
        header_size, size = struct.unpack_from("<HQ", content, start + 6)
        entry = start + header_size
        end = entry + size
        entries = []
        while entry < end:
            kind, _, entry_header, entry_size = struct.unpack_from("<HHIQ", content, entry)
            (architecture,) = struct.unpack_from("<I", content, entry + 28)
            entries.append(({1: "ptx", 2: "elf"}[kind], architecture))
            entry += entry_header + entry_size
        yield entries
        start = content.find(magic, end)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("AUTO", r"The CUDA half is left out: .+nvcc is of CUDA 11\.5, and must be of 11\.8 or later"),
        ("ON", r"ZAPONNX_CUDA is ON, but .+nvcc is of CUDA 11\.5"),
    ],
)
def test_an_nvcc_that_knows_too_few_architectures_is_not_taken(
    mode: str, told: str, tmp_path: Path, ort_headers: Path
) -> None:
    """The build is configured only."""
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 11.5, V11.5.119'\n")
    nvcc.chmod(0o755)
    programs = Path(sys.executable).parent
    settings = {"CMAKE_MAKE_PROGRAM": programs / "ninja", "ONNXRUNTIME_INCLUDE_DIR": ort_headers}
    settings |= {"ZAPONNX_CUDA": mode, "CMAKE_CUDA_COMPILER": nvcc}
    command = [programs / "cmake", "-S", HEADER.parents[2], "-B", tmp_path / "build", "-G", "Ninja"]
    command += [f"-D{name}={value}" for name, value in settings.items()]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = " ".join((result.stdout + result.stderr).split())  # CMake breaks lines
    assert re.search(told, printed), printed
    assert (result.returncode == 0) == (mode == "AUTO")


def test_without_a_gpu_it_says_so(library: Path) -> None:
    """In a process of its own, to which no GPU is visible."""
    program = (
        "import json; from dataclasses import asdict; from pathlib import Path; "
        "from zaponnx.cuda_half import cuda_half; "
        f"print(json.dumps(asdict(cuda_half(Path({str(library)!r}))), default=str))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""},
    )
    found = json.loads(result.stdout)
    assert found["library"] == str(library)
    assert found["device"] == ""
    assert re.match(r"ZapConv on CUDA: looking for a GPU: .+ Install NVIDIA's driver", found["problem"])


def test_a_missing_half_is_no_error(tmp_path: Path) -> None:
    assert cuda_half(tmp_path / "libzaponnx_ops.so") == CudaHalf(None, "", "this installation was built without nvcc")


def test_what_is_no_library_is_told(tmp_path: Path) -> None:
    path = tmp_path / "libzaponnx_cuda.so"
    path.write_text("no library")
    found = cuda_half(tmp_path / "libzaponnx_ops.so")
    assert (found.library, found.device) == (path, "")
    assert re.match("it does not load: .*; install zaponnx anew", found.problem)


def test_operators_are_registered_for_cuda_where_there_is_a_gpu(library: Path) -> None:
    """And the provider for it; tests/cuda/test_sessions.py has the rest."""
    options = onnxruntime.SessionOptions()
    zaponnx.register(options)
    usable = cuda_half(zaponnx.library_path()).device and PROVIDER in onnxruntime.get_available_providers()
    assert options.get_session_config_entry("zaponnx.cuda") == ("yes" if usable else "no")


def test_without_the_half_the_cpu_works(tmp_path: Path, zap_model: Path) -> None:
    """The native library alone, as a build without nvcc leaves it."""
    alone = tmp_path / "libzaponnx_ops.so"
    shutil.copy(zaponnx.library_path(), alone)
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(alone))
    assert options.get_session_config_entry("zaponnx.cuda") == "no"
    onnxruntime.InferenceSession(zap_model, options, providers=["CPUExecutionProvider"])


def test_without_the_provider_the_half_is_not_loaded(library: Path, zap_model: Path) -> None:
    """No driver starts in a process that cannot use it."""
    if PROVIDER in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has the provider")
    program = (
        "import sys, zaponnx; from pathlib import Path; zaponnx.InferenceSession(sys.argv[1]); "
        "sys.exit('libzaponnx_cuda' in Path('/proc/self/maps').read_text())"
    )
    subprocess.run([sys.executable, "-c", program, zap_model], check=True)


@pytest.mark.parametrize("name", ["float32", "tf32", "float16"])
def test_sessions_choose_the_precision(name: str, zap_model: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("zaponnx.cuda.precision", name)
    zaponnx.InferenceSession(zap_model, options)


def test_an_unknown_precision_is_refused() -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("zaponnx.cuda.precision", "double")
    with pytest.raises(RuntimeUnavailable, match=r"zaponnx.cuda.precision is 'double'; it must be 'float32', 'tf32'"):
        zaponnx.register(options)
