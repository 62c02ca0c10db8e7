"""What the measurements depend on: the machine, the versions, the command, the state of the sources."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers import PEERS, missing_packages, peer_versions
from zaponnx.machine import cpu_cores, cpu_name, versions
from zaponnx.runtime import register, registered_isa, session_options

_CPU_INFO = Path("/proc/cpuinfo")
_FLAGS = ("avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "amx_tile", "asimd", "sve")
"""The instruction sets that runtimes choose float32 kernels by."""


@dataclass(frozen=True)
class Environment:
    """Of one run.

    Attributes:
        cpu, cores, flags: The machine: its CPU, the cores that may be used, its instruction sets.
        isa: What zaponnx's kernels use of them.
        versions: Of Python and the packages.
        missing: Peer → the packages that it lacks.
        command, date, commit: The command, when it was started (UTC), and of which commit the sources are, with "+"
            behind it if they were changed since.
    """

    cpu: str
    cores: int
    flags: Sequence[str]
    isa: str
    versions: dict[str, str]
    missing: dict[str, list[str]]
    command: str
    date: str
    commit: str

    @property
    def machine(self) -> str:
        """The CPU and its instruction set, as in the names of results."""
        return re.sub("[^a-z0-9]+", "-", f"{self.cpu} {self.isa}".lower()).strip("-")


def environment(arguments: Sequence[str], program: str = "benchmarks") -> Environment:
    """That of this process, which is a program that was started with some arguments."""
    options = session_options()
    register(options)
    return Environment(
        cpu=cpu_name(),
        cores=cpu_cores(),
        flags=_flags(),
        isa=registered_isa(options),
        versions=versions() | peer_versions(),
        missing={peer: lacking for peer in PEERS if (lacking := missing_packages(peer))},
        command=shlex.join(["python", "-m", program, *arguments]),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
    )


def _flags() -> list[str]:
    """Those of _FLAGS that the CPU has, where the system tells."""
    if not _CPU_INFO.is_file():
        return []
    words = set(_CPU_INFO.read_text(encoding="utf-8").split())
    return [flag for flag in _FLAGS if flag in words]


def _commit() -> str:
    """The sources' commit; "" where they are under no version control."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit.stdout.strip() + "+" * bool(status.stdout)
