"""What a measurement depends on: the machine and the versions, for reports and checks."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from zaponnx.errors import InvalidArgument

_THREADS_PER_CORE = 4
"""Threads beyond the cores only wait for each other; some are let through, to see what that costs."""

_CPU_INFO = Path("/proc/cpuinfo")


def cpu_name() -> str:
    """The CPU's name, as the system gives it."""
    if _CPU_INFO.is_file():
        for line in _CPU_INFO.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def gpu_name(number: int) -> str:
    """An NVIDIA GPU's name, as the driver gives it; "" without a driver or such a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return ""
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), number):
        return ""
    return "" if driver.cuDeviceGetName(name, len(name), device) else name.value.decode()


def cpu_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_threads(phase: str, threads: Sequence[int]) -> None:
    """Refuses numbers of threads with which a measurement would take forever.

    Raises:
        InvalidArgument: One is more than four times the cores.
    """
    cores = cpu_cores()
    if max(threads) > _THREADS_PER_CORE * cores:
        problem = f"{max(threads)} threads are too many for the {cores} cores that this process may use"
        raise InvalidArgument(phase, problem, remedy=f"give at most {_THREADS_PER_CORE * cores}")


def versions() -> dict[str, str]:
    """The versions of Python, zaponnx and what it runs on, as far as installed."""
    found = {"python": platform.python_version()}
    for package in ("zaponnx", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "torch", "torchvision"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
