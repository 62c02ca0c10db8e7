"""The native micro-benchmark: runs zaponnx_kernel_benchmark, reads its JSON lines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_PROGRAM = "zaponnx_kernel_benchmark"


def kernel_results(build: Path, threads: Sequence[int], shape: str = "") -> list[Mapping[str, Any]]:
    """Its objects; none if it is not built.

    Their "kind" is "peak", the multiply-add peak of an instruction set, or "layer", the speed of a path on a shape.

    Args:
        build: The directory that it was built in.
        threads: With how many threads to run it.
        shape: Only shapes whose name has this in it are measured; the peak always is.
    """
    program = next((path for path in build.rglob(_PROGRAM) if path.is_file()), None)
    results: list[Mapping[str, Any]] = []
    for count in threads if program else ():
        command = [str(program), "--threads", str(count), *(["--shape", shape] if shape else [])]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        results += map(json.loads, output.splitlines())
    return results


def peak_gmacs(results: Sequence[Mapping[str, Any]], threads: int) -> float | None:
    """The machine's multiply-add peak in 10⁹ MAC/s: that of its best instruction set; None if it was not measured."""
    peaks = [result["gmacs"] for result in results if result["kind"] == "peak" and result["threads"] == threads]
    return max(peaks, default=None)
