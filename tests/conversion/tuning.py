"""For the tests of tuning: its arguments, a stopwatch whose times are made up, and why layers stayed dense."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import onnx

from zaponnx.conversion_report import ConversionReport
from zaponnx.graph.converted import attributes, dense_output, zap_convs
from zaponnx.stopwatch import PairedTimes

TUNE: dict[str, Any] = {"tune": True, "data": "random"}


def times(gain: float) -> PairedTimes:
    return PairedTimes(2.0, 2.0 - gain, gain, 0.01)


class FakeStopwatch:
    """Sites gain what `gains` says, or `in_full` if they skip nothing; the model `whole`, or half of it."""

    gains: ClassVar[Mapping[str, float]]
    in_full: ClassVar[Mapping[str, float]]
    whole: ClassVar[float]
    made: ClassVar[list[FakeStopwatch]]

    def __init__(
        self, path: Any, dense: onnx.ModelProto, tensors: Any, feeds: Any, threads: int, providers: Any
    ) -> None:
        self.path, self.dense, self.tensors, self.feeds, self.threads = path, dense, tensors, feeds, threads
        self.providers = providers
        self.made.append(self)

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> dict[str, PairedTimes]:
        nodes = {dense_output(node): attributes(node) for node in zap_convs(converted)}
        gains = {output: self.in_full if nodes[output]["pattern"] == [1] else self.gains for output in outputs}
        return {output: times(gains[output][output]) for output in outputs}

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        skips = any(attributes(node)["pattern"] != [1] for node in zap_convs(converted))
        return times(self.whole if skips else self.whole / 2)


def reasons(report: ConversionReport) -> dict[str, str]:
    return {refusal.name: refusal.reason for refusal in report.dense}
