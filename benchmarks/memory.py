"""What sessions take besides time: models → peak memory and time of creation, each measured in a process of its own.

Reads a model when it is run as a program, `python -m benchmarks.memory MODEL`, and writes one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from zaponnx.benchmark import timing_options
from zaponnx.models import load_model, save_model
from zaponnx.runtime import open_session

_STATUS = Path("/proc/self/status")
_MEGABYTE = 1024  # of the kB that the system counts in


@dataclass(frozen=True)
class SessionCost:
    """What one session takes.

    Attributes:
        creation_ms: Milliseconds until it is ready.
        peak_mb: MiB of resident memory that creating it and running it once adds to the process, at the peak.
        process_peak_mb: The whole process's, with Python and ONNX Runtime.
    """

    creation_ms: float
    peak_mb: float
    process_peak_mb: float


def session_costs(models: Mapping[str, Path], repetitions: int) -> dict[str, SessionCost]:
    """Medians by model, each with its weights as external data, measured in turn."""
    found: dict[str, list[SessionCost]] = {name: [] for name in models}
    with tempfile.TemporaryDirectory() as directory:
        files = {name: Path(directory) / f"{index}.onnx" for index, name in enumerate(models)}
        for name, model in models.items():
            save_model(load_model(model, "bench"), files[name], "bench", external_data=True)
        for _ in range(repetitions):
            for name, file in files.items():
                command = [sys.executable, "-m", "benchmarks.memory", str(file)]
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                found[name].append(SessionCost(**json.loads(result.stdout)))
    return {
        name: SessionCost(*(median(values) for values in zip(*(asdict(cost).values() for cost in costs), strict=True)))
        for name, costs in found.items()
    }


def measured_session(model: Path) -> SessionCost:
    """Creates a session with one thread in this process and runs it once, batch 1."""
    options = timing_options(1)
    before = memory_mb("VmRSS")
    start = time.perf_counter()
    session = open_session(model, options, None, "bench")
    creation_ms = (time.perf_counter() - start) * 1e3
    generator = np.random.default_rng(0)
    feeds = {
        node.name: generator.standard_normal((1, *node.shape[1:]), dtype=np.float32) for node in session.get_inputs()
    }
    session.run(None, feeds)
    peak = memory_mb("VmHWM")
    return SessionCost(creation_ms, peak - before, peak)


def memory_mb(field: str) -> float:
    """A memory figure of this process, in MiB; not getrusage's, which starts from the parent's."""
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / _MEGABYTE


if __name__ == "__main__":
    print(json.dumps(asdict(measured_session(Path(sys.argv[1])))))
