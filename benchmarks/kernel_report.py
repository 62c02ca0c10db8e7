"""The report's tables of the kernels, and of what their speeds account for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.limits import account
from benchmarks.measuring import Measurement
from benchmarks.points import Point
from benchmarks.tables import label, table


def accounts_table(
    networks: Sequence[Measurement],
    layers: Sequence[Measurement],
    points: Mapping[tuple[str, str], Point],
    kernels: Sequence[Mapping[str, Any]],
) -> str:
    """A row per network, operating point and number of threads whose kernels were measured."""
    header = ["", "pattern and goal", "threads", "p", "c", "density", "d", "e", "r"]
    header += ["by the loops", "by the kernels", "by the layers", "measured"]
    rows = []
    for measurement in networks:
        for name in measurement.converted:
            pattern = points[measurement.subject.network, name].pattern
            found = account(measurement, name, pattern, layers, kernels)
            if found is not None:
                cells = [label(measurement.subject), name.replace("-", " ") + " %", str(measurement.threads)]
                shares = asdict(found).values()
                rows.append([*cells, *("" if share is None else f"{share:.2f}" for share in shares)])
    return table(header, rows)


def peaks_table(kernels: Sequence[Mapping[str, Any]]) -> str:
    """A row per instruction set and number of threads."""
    peaks: dict[tuple[str, str], float] = {}
    for result in kernels:
        if result["kind"] == "peak":
            key = (result["isa"], str(result["threads"]))
            peaks[key] = max(peaks.get(key, 0), result["gmacs"])
    return table(["", "threads", "GMAC/s"], [[*key, f"{gmacs:.1f}"] for key, gmacs in peaks.items()])


def kernels_table(kernels: Sequence[Mapping[str, Any]]) -> str:
    """A row per instruction set, shape, pattern and number of threads, a column per path and density."""
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for result in kernels:
        if result["kind"] == "layer":
            key = (f"{result['isa']}, {result['shape']}", result["pattern"], str(result["threads"]))
            column = result["path"] if result["path"] == "pattern" else f"{result['path']} {result['density']:.1f}"
            lines.setdefault(key, {})[column] = f"{result['share_of_peak']:.2f}"
    columns = list(dict.fromkeys(column for line in lines.values() for column in line))
    rows = [[*key, *(line.get(column, "") for column in columns)] for key, line in lines.items()]
    return table(["", "pattern", "threads", *columns], rows)
