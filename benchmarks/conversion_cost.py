"""What a conversion takes: model and artifacts → time and peak memory, measured in a process of its own.

Converts when it is run as a program, `python -m benchmarks.conversion_cost MODEL CALIBRATION FIT OUTPUT`, and writes
one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.memory import memory_mb
from zaponnx.conversion import convert

MAC_SAVING = 0.2
"""The operating point; time and memory are the same at any at which all sites are converted."""


@dataclass(frozen=True)
class ConversionCost:
    """What one conversion takes.

    Attributes:
        seconds: From the call of `zaponnx.convert` to the file in its place, both checks included.
        peak_mb: MiB of resident memory that it adds to the process, at the peak; pages of mapped files count.
        process_peak_mb: The whole process's, with Python and what it has imported.
        sites: How many layers became ZapConvs.
    """

    seconds: float
    peak_mb: float
    process_peak_mb: float
    sites: int


def conversion_cost(model: Path, calibration: Path, fit: Path, output: Path) -> ConversionCost:
    """Converts a model in a process of its own."""
    files = map(str, (model, calibration, fit, output))
    command = [sys.executable, "-m", "benchmarks.conversion_cost", *files]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return ConversionCost(**json.loads(result.stdout))


def measured_conversion(model: Path, calibration: Path, fit: Path, output: Path) -> ConversionCost:
    """Converts a model in this process, which should have done nothing else."""
    before = memory_mb("VmRSS")
    start = time.perf_counter()
    report = convert(model, calibration, fit, output, mac_saving=MAC_SAVING)
    seconds = time.perf_counter() - start
    peak = memory_mb("VmHWM")
    return ConversionCost(seconds, peak - before, peak, len(report.converted))


if __name__ == "__main__":
    print(json.dumps(asdict(measured_conversion(*map(Path, sys.argv[1:])))))
