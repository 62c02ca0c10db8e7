"""Runs a Python program in several processes that know each other as torchrun's do, without torchrun's own start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str


def run_processes(count: int, *arguments: object) -> list[Ended]:
    """Runs `python *arguments` in `count` processes, by rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **common, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    outputs = [process.communicate(timeout=600) for process in started]
    return [Ended(process.returncode, *output) for process, output in zip(started, outputs, strict=True)]
