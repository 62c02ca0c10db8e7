"""Accuracies and times that are made up, so that it is known which point is right.

A model that skips more by its thresholds loses more top-1 and is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx

from zaponnx.artifacts import OperatingPoint
from zaponnx.graph.converted import attributes, dense_output, zap_convs
from zaponnx.models import load_model
from zaponnx.stopwatch import PairedTimes

TOP1, DENSE_MS = 0.9, 10.0


def skipped(thresholds: Sequence[float]) -> float:
    """From 0 to 1; it grows with every threshold."""
    return float(np.clip(thresholds, -2, 2).mean() + 2) / 4


def lost(thresholds: Sequence[float]) -> float:
    """The top-1 that the small network's one site loses."""
    return 0.4 * skipped(thresholds)


def gained(thresholds: Sequence[float]) -> float:
    """The milliseconds that it gains."""
    return 4 * skipped(thresholds) - 1


class Evaluations:
    """A stand-in for `eval`: of a converted model as above; interrupted after so many, if any number is given."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.interrupt_after = -1
        self.lost_in_full = 0.0

    def __call__(self, models: Sequence[Path], data: str, **options: Any) -> Any:
        if len(self.calls) == self.interrupt_after:
            raise KeyboardInterrupt
        self.calls.append({"data": data, **options})
        nodes = zap_convs(load_model(models[0], "test"))
        top1 = TOP1 - (self.lost(attributes(nodes[0])) if nodes else 0.0)
        return SimpleNamespace(models=[SimpleNamespace(top1=top1)])

    def lost(self, values: Mapping[str, Any]) -> float:
        return self.lost_in_full if values["pattern"] == [1] else lost(values["threshold"])


class FakeStopwatch:
    """The site gains as above, or `in_full`; the model gains `bonus` more."""

    in_full = -1.0
    bonus = 0.0
    models = 0
    threads = 0
    providers: Any = None

    def __init__(self, path: Path, dense: Any, tensors: Any, feeds: Any, threads: int, providers: Any) -> None:
        FakeStopwatch.threads, FakeStopwatch.providers = threads, providers

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> dict[str, PairedTimes]:
        return {dense_output(node): times(self.gain(node)) for node in zap_convs(converted)}

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        FakeStopwatch.models += 1
        nodes = zap_convs(converted)
        return times(sum(map(self.gain, nodes)) + self.bonus if nodes else 0.0)

    def gain(self, node: onnx.NodeProto) -> float:
        values = attributes(node)
        return self.in_full if values["pattern"] == [1] else gained(values["threshold"])


def times(gain: float) -> PairedTimes:
    return PairedTimes(DENSE_MS, DENSE_MS - gain, gain, 0.01)


def only(point: OperatingPoint) -> tuple[float, ...]:
    """The thresholds of its one site."""
    (thresholds,) = point.thresholds.values()
    return thresholds


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())
