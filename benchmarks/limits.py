"""What limits a converted network: its saving and the kernels' speeds → the time that these account for."""

from __future__ import annotations

import math
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
        by_kernels: The same of whole layers, as the native micro-benchmark runs them, at this density of independent
            masks; and the layers that stay dense.
        by_layers: The same of the layers in ONNX Runtime, each alone, with the network's own masks; None if they were
            not measured.
        measured: Time by the dense network's.
    """

    in_pattern: float
    outside: float
    density: float
    dense: float
    pattern: float
    sparse: float
    by_loops: float
    by_kernels: float
    by_layers: float | None
    measured: float


def account(
    measurement: Measurement,
    name: str,
    pattern: str,
    layers: Sequence[Measurement],
    kernels: Sequence[Mapping[str, Any]],
) -> Account | None:
    """Of the converted model `name` of a network; None if the kernels were not measured on its shapes."""
    subject, threads = measurement.subject, measurement.threads
    in_pattern = Pattern.parse(pattern).share
    outside = 1 - in_pattern - measurement.savings[name]
    density = outside / (1 - in_pattern)
    peak = peak_gmacs(kernels, threads)
    speeds = network_speeds(kernels, subject.network, pattern, threads, density)
    if peak is None or speeds is None:
        return None
    dense_ms = measurement.dense[ORT].median_ms
    dense = subject.macs / dense_ms / peak / 1e6
    predicted = subject.predicted_macs / subject.macs

    def of_network(time: float) -> float:
        """From the predicted layers' time by theirs when dense."""
        return 1 - predicted + predicted * time

    alone = [each for each in layers if (each.subject.network, each.threads) == (subject.network, threads)]
    dense_alone = math.fsum(each.subject.count * each.dense[ORT].median_ms for each in alone)
    alone_ms = math.fsum(each.subject.count * each.converted[name].median_ms for each in alone)
    return Account(
        in_pattern=in_pattern,
        outside=outside,
        density=density,
        dense=dense,
        pattern=speeds.pattern,
        sparse=speeds.sparse,
        by_loops=of_network(dense * (in_pattern / speeds.pattern + outside / speeds.sparse)),
        by_kernels=of_network(dense * (in_pattern + outside) / speeds.layer),
        by_layers=of_network(alone_ms / dense_alone) if alone else None,
        measured=measurement.converted[name].median_ms / dense_ms,
    )
