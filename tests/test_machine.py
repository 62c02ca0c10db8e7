import os

import onnx

from zaponnx.machine import cpu_cores, cpu_name, versions


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
