"""What limits a converted network: its saving and the kernels' speeds → the time that these account for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.kernels import network_speeds, peak_gmacs
from benchmarks.measuring import ORT, Measurement
from zaponnx.patterns import Pattern


@dataclass(frozen=True)
class Account:
    """Where a converted network's time goes. Shares of the MACs are of the predicted layers', speeds of the peak.

    Attributes:
        in_pattern: Share of the MACs that the pattern path computes.
        outside: Share that the sparse path computes.
        density: Share of the outputs outside the pattern that are computed.
        dense: Speed of the dense network.
        pattern: Speed of the pattern path's loop.
        sparse: Speed of the sparse path's loop, at this density of independent masks.
        by_loops: Time by the dense network's, if there were nothing but the two loops and the layers that stay dense,
            these at the dense network's speed.
        measured: Time by the dense network's.
    """

    in_pattern: float
    outside: float
    density: float
    dense: float
    pattern: float
    sparse: float
    by_loops: float
    measured: float


def account(measurement: Measurement, name: str, pattern: str, kernels: Sequence[Mapping[str, Any]]) -> Account | None:
    """Of the converted model `name` of a network; None if the kernels were not measured on its shapes."""
    subject = measurement.subject
    peak = peak_gmacs(kernels, measurement.threads)
    speeds = network_speeds(kernels, subject.network, pattern, measurement.threads)
    if peak is None or speeds is None:
        return None
    in_pattern = Pattern.parse(pattern).share
    outside = 1 - in_pattern - measurement.savings[name]
    density = outside / (1 - in_pattern)
    dense_ms = measurement.dense[ORT].median_ms
    dense = subject.macs / dense_ms / peak / 1e6
    sparse = speeds.sparse_at(density)
    predicted = subject.predicted_macs / subject.macs
    by_loops = 1 - predicted + predicted * dense * (in_pattern / speeds.pattern + outside / sparse)
    measured = measurement.converted[name].median_ms / dense_ms
    return Account(in_pattern, outside, density, dense, speeds.pattern, sparse, by_loops, measured)
