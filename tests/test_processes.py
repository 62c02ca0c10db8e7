"""What torchrun's environment says of the processes."""

from __future__ import annotations

import os

import pytest

from zaponnx import processes


def torchrun(monkeypatch: pytest.MonkeyPatch, **variables: int) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a cluster sets WORLD_SIZE for processes of its own."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (processes.process_count(), processes.process_rank(), processes.threads_per_process()) == (1, 0, 0)
    assert processes.own_device(["cuda", "cpu"]) == ["cuda", "cpu"]
    assert processes.speaks_of_failure()


def test_processes_of_a_machine_share_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    torchrun(monkeypatch, WORLD_SIZE=8, RANK=5, LOCAL_WORLD_SIZE=4)
    monkeypatch.setattr(os, "cpu_count", lambda: 18)
    assert (processes.process_count(), processes.process_rank(), processes.threads_per_process()) == (8, 5, 4)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert processes.threads_per_process() == 1


def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torchrun(monkeypatch, WORLD_SIZE=4, RANK=3, LOCAL_RANK=1)
    assert processes.own_device(["CUDAExecutionProvider", "cpu"]) == [
        ("CUDAExecutionProvider", {"device_id": 1}),
        ("cpu", {}),
    ]
    assert processes.own_device([("cuda", {"device_id": 7})]) == [("cuda", {"device_id": 7})]
    assert processes.own_device(None) is None
