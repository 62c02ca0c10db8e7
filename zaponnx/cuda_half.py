"""The native library's CUDA half: finds libzaponnx_cuda.so, says whether it works on this machine."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

_LIBRARY = "libzaponnx_cuda.so"
_INTERFACE = 2
"""ZAPONNX_CUDA_INTERFACE in custom_ops/cuda/zaponnx_cuda.h."""

_TEXT_BYTES = 512


@dataclass(frozen=True)
class CudaHalf:
    """What was found.

    Attributes:
        library: The file, None if this installation was built without it.
        device: The first GPU that it can use and its architecture, "" if there is none; then operators are registered
            for the CPU only.
        problem: Why there is none, "" if there is one.
    """

    library: Path | None
    device: str
    problem: str


def cuda_half(library: Path) -> CudaHalf:
    """Looks beside the native library, and loads what it finds there; nothing is raised for what is missing.

    Args:
        library: The native library, as `library_path` gives it.
    """
    path = library.with_name(_LIBRARY)
    if not path.is_file():
        return CudaHalf(None, "", "this installation was built without nvcc")
    try:
        loaded = ctypes.CDLL(str(path))
        interface = loaded.zaponnx_cuda_interface()
    except (OSError, AttributeError) as error:
        return CudaHalf(path, "", f"it does not load: {error}; install zaponnx anew")
    if interface != _INTERFACE:
        problem = f"it has version {interface} of the interface, not {_INTERFACE}; install zaponnx anew"
        return CudaHalf(path, "", problem)
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    failed = loaded.zaponnx_cuda_device(text, ctypes.c_size_t(_TEXT_BYTES))
    said = text.value.decode(errors="replace")
    return CudaHalf(path, "", said) if failed else CudaHalf(path, said, "")
