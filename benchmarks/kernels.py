"""The native micro-benchmark: runs zaponnx_kernel_benchmark, reads its JSON lines."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

_PROGRAM = "zaponnx_kernel_benchmark"


def kernel_results(
    build: Path, threads: Sequence[int], patterns: Sequence[str], shape: str = ""
) -> list[Mapping[str, Any]]:
    """Its objects; none if it is not built.

    Their "kind" is "peak", the multiply-add peak of an instruction set, or "layer", the speed of a path on a shape.

    Args:
        build: The directory that it was built in.
        threads: With how many threads to run it.
        patterns: With which patterns, each for every number of threads.
        shape: Only shapes whose name has this in it are measured; the peak always is.
    """
    program = next((path for path in build.rglob(_PROGRAM) if path.is_file()), None)
    results: list[Mapping[str, Any]] = []
    for count, pattern in product(threads if program else (), patterns):
        command = [str(program), "--threads", str(count), "--pattern", pattern, *(["--shape", shape] if shape else [])]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        results += map(json.loads, output.splitlines())
    return results


def peak_gmacs(results: Sequence[Mapping[str, Any]], threads: int) -> float | None:
    """The machine's multiply-add peak in 10⁹ MAC/s: that of its best instruction set; None if it was not measured."""
    peaks = [result["gmacs"] for result in results if result["kind"] == "peak" and result["threads"] == threads]
    return max(peaks, default=None)


@dataclass(frozen=True)
class Speeds:
    """How near the kernels come to the peak with independent masks of a density: medians over a network's shapes.

    Attributes:
        pattern: Of the pattern path's loop.
        sparse: Of the sparse path's loop.
        layer: Of whole layers in NHWC.
    """

    pattern: float
    sparse: float
    layer: float


def network_speeds(
    results: Sequence[Mapping[str, Any]], network: str, pattern: str, threads: int, density: float
) -> Speeds | None:
    """Those of the machine's best instruction set; None if they were not measured.

    Args:
        results: What `kernel_results` gave.
        network, pattern, threads: Of what is wanted.
        density: The share of the outputs outside the pattern that are computed. Between those that were measured speeds
            are interpolated; beyond them, they are those of the nearest.
    """
    peaks = {result["isa"]: result["gmacs"] for result in results if result["kind"] == "peak"}
    found: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if (
            result["kind"] == "layer"
            and result["shape"].startswith(f"{network} ")
            and (result["isa"], result["pattern"], result["threads"])
            == (max(peaks, key=peaks.__getitem__), pattern, threads)
        ):
            found[result["path"]][result["density"]].append(result["share_of_peak"])
    found["layer-nhwc"].pop(1.0, None)  # by fewer multiply-adds than are counted
    speeds = []
    for path in ("pattern", "sparse", "layer-nhwc"):
        medians = {each: median(shares) for each, shares in sorted(found[path].items())}
        if not medians:
            return None
        speeds.append(float(np.interp(density, list(medians), list(medians.values()))))
    return Speeds(*speeds)
