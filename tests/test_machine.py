import ctypes
import os
from types import SimpleNamespace
from typing import Any

import onnx
import pytest

from zaponnx.machine import cpu_cores, cpu_name, gpu_name, versions


def test_cpu_is_named() -> None:
    assert cpu_name().strip()


def test_cores_are_those_of_this_process() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cpu_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cpu_cores() == len(allowed)


def test_versions_name_what_is_installed_and_nothing_else() -> None:
    found = versions()
    assert found["onnx"] == onnx.__version__
    assert ("onnxruntime" in found) or ("onnxruntime-gpu" in found)
    assert "" not in found.values()


def test_a_gpu_that_is_not_there_has_no_name() -> None:
    assert gpu_name(1000) == ""


def test_a_gpu_has_the_name_that_its_driver_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(name: Any, size: int, device: Any) -> int:
        name.value = b"Abacus 9000"
        return 0

    driver = SimpleNamespace(cuInit=lambda flags: 0, cuDeviceGet=lambda device, number: 0, cuDeviceGetName=named)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    assert gpu_name(0) == "Abacus 9000"
