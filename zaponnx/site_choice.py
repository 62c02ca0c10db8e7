"""Chooses the sites that stay dense: reads measured times, gives the operating point of those that pay.

A site pays if its ZapConv is faster than its dense nodes beyond noise. Of the sites that do not, the worse half goes
dense, and the error that they would have caused is spent on the others, which then skip more: so they may pay after
all, and all are measured again, in the graph as it is now. When all that are left pay, the whole model must, too;
while it does not, the least profitable site goes dense. What is left in the end may be the dense model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import onnx

from zaponnx.artifacts import Calibration, OperatingPoint
from zaponnx.calib.curves import measured_curve, operating_point
from zaponnx.calib.exact import LagrangianPath
from zaponnx.progress import Progress
from zaponnx.stopwatch import PairedTimes


class Timer(Protocol):
    """Measures; `zaponnx.stopwatch.Stopwatch` is one."""

    def sites(self, converted: onnx.ModelProto, outputs: Sequence[str]) -> Mapping[str, PairedTimes]:
        """The times of sites that are ZapConvs in the model, by their outputs."""

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        """The times of the whole models."""


@dataclass(frozen=True)
class TunedSite:
    """A site that was measured.

    Attributes:
        output: The tensor that it writes.
        converted: Whether it became a ZapConv.
        times: Of its dense nodes and of its ZapConv, each with the conversions of layout beside it, when that was
            decided.
    """

    output: str
    converted: bool
    times: PairedTimes

    @property
    def reason(self) -> str:
        """Why it stays dense."""
        problem = "the model is not faster with it" if self.times.pays else "it does not pay on this machine"
        times = self.times
        return (
            f"{problem}: {times.dense_ms:.3f} ms dense, {times.converted_ms:.3f} ms as ZapConv, "
            f"the difference ± {times.noise_ms:.3f} ms"
        )


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        point: The operating point; a threshold of −∞ leaves a site dense.
        sites: Those that were measured, in the order of the point's thresholds.
        model: The times of the whole models; None if nothing pays.
    """

    point: OperatingPoint
    sites: tuple[TunedSite, ...]
    model: PairedTimes | None


def choose(
    point: OperatingPoint,
    redistributed: Callable[[Collection[str]], OperatingPoint],
    build: Callable[[OperatingPoint], onnx.ModelProto],
    timer: Timer,
    progress: Progress,
) -> Choice:
    """Leaves sites dense until all others, and the whole model, are faster than the dense model's.

    Args:
        point: The operating point to begin with.
        redistributed: Gives the operating point with some sites left dense.
        build: Makes the converted model at an operating point.
        timer: Measures.
        progress: Told about every measurement, with the number of sites that were decided to stay dense.
    """
    measured: dict[str, PairedTimes] = {}
    dense: set[str] = set()
    whole = None
    while outputs := [output for output, threshold in point.thresholds.items() if threshold > -math.inf]:
        model = build(point)
        progress(f"timing the layers, {len(outputs)} as ZapConv", len(dense), len(point.thresholds))
        measured |= timer.sites(model, outputs)
        by_gain = sorted(outputs, key=lambda output: measured[output].gain_ms)
        losing = [output for output in by_gain if not measured[output].pays]
        if not losing:
            progress(f"timing the model, {len(outputs)} layers as ZapConv", len(dense), len(point.thresholds))
            whole = timer.model(model)
            if whole.pays:
                break
            losing = by_gain[:1]
        dense.update(losing[: math.ceil(len(losing) / 2)])
        point = redistributed(dense)
    sites = tuple(
        TunedSite(output, output in outputs, measured[output])
        for output in point.thresholds
        if output in outputs or output in dense
    )
    return Choice(point, sites, whole if outputs else None)


def redistribute(calibration: Calibration, epsilon: float, dense: Collection[str]) -> OperatingPoint:
    """The operating point that spends a budget on the sites that do not stay dense, by the measured curves.

    Args:
        calibration: With the curves of all sites.
        epsilon: The budget.
        dense: The outputs of the sites whose threshold is −∞.
    """
    curves = [measured_curve(site, calibration.edges) for site in calibration.sites]
    others = [curve for curve in curves if curve.site not in dense]
    thresholds = dict.fromkeys((curve.site for curve in curves), -math.inf)
    thresholds |= zip((curve.site for curve in others), LagrangianPath(others).thresholds(epsilon), strict=True)
    return operating_point(curves, epsilon, list(thresholds.values()))
