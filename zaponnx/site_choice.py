"""Chooses what becomes of each site: reads measured times, gives the sites that skip, those computed in full, the rest.

A site can be a ZapConv that skips what its predictor says; a ZapConv that computes all outputs, by Winograd's minimal
filtering, where the library does so; or stay dense. It begins as what is fastest, and skips only where that is faster
beyond noise than to compute all. Of the ZapConvs that are not faster than their dense nodes beyond noise, the worse
half changes: a skipping one to computing all, if that has paid, any other to dense. The error that skipping sites no
longer cause is spent on the others, which then skip more: so they may pay after all, and all are measured again, in the
graph as it is now. When all that are left pay, the whole model must, too; while it does not, the least profitable
ZapConv changes. In the end the model must be faster beyond noise than the one in which no site skips and each that paid
computes all outputs. What is left may be the dense model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import onnx

from zaponnx.artifacts import OperatingPoint
from zaponnx.calib.exact import LagrangianPath
from zaponnx.calib.hulls import Hull
from zaponnx.progress import Progress
from zaponnx.stopwatch import PairedTimes


class Timer(Protocol):
    """Measures; `zaponnx.stopwatch.Stopwatch` is one."""

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> Mapping[str, PairedTimes]:
        """The times of sites that are ZapConvs in a model, by their outputs; `alone` makes it with one of them only."""

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        """The times of the whole models."""


class Form(StrEnum):
    """What a site becomes."""

    SKIPPING = "skipping"
    WINOGRAD = "winograd"
    DENSE = "dense"


_DOING = {Form.SKIPPING: "skipping", Form.WINOGRAD: "in full by Winograd's"}


@dataclass(frozen=True)
class TunedSite:
    """A site that was measured.

    Attributes:
        output: The tensor that it writes.
        form: What it became.
        times: By the form of its ZapConv, the times of its dense nodes and of that, each with the conversions of
            layout beside it, when they were measured last.
    """

    output: str
    form: Form
    times: Mapping[Form, PairedTimes]

    @property
    def reason(self) -> str:
        """Why it stays dense."""
        pays = any(times.pays for times in self.times.values())
        problem = "the model is not faster with it" if pays else "it does not pay on this machine"
        measured = (
            f"{times.dense_ms:.3f} ms dense, {times.converted_ms:.3f} ms {_DOING[form]}, "
            f"the difference ± {times.noise_ms:.3f} ms"
            for form, times in self.times.items()
        )
        return f"{problem}: {'; '.join(measured)}"


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes:
        point: The operating point; thresholds of −∞ for each site that does not skip.
        winograd: The outputs of the sites that are computed in full.
        sites: Those that were measured, in the order of the point's thresholds.
        model: The times of the whole models; None if nothing pays.
    """

    point: OperatingPoint
    winograd: frozenset[str]
    sites: tuple[TunedSite, ...]
    model: PairedTimes | None


Build = Callable[[OperatingPoint, Collection[str]], onnx.ModelProto]
"""Makes the model at an operating point in which some sites, by their outputs, are computed in full by Winograd's."""


def choose(
    point: OperatingPoint,
    suiting_winograd: Collection[str],
    redistributed: Callable[[Collection[str]], OperatingPoint],
    build: Build,
    timer: Timer,
    progress: Progress,
) -> Choice:
    """Chooses the sites' forms, until each ZapConv and the whole model are faster than the dense model's.

    Args:
        point: The operating point to begin with.
        suiting_winograd: The outputs of the sites that can be computed in full by Winograd's.
        redistributed: Gives the operating point at which some sites do not skip.
        build: Makes the models.
        timer: Measures.
        progress: Told about every measurement, with the number of sites that were decided to stay dense.
    """
    measured: dict[str, dict[Form, PairedTimes]] = {output: {} for output in point.thresholds}
    dense: set[str] = set()
    whole = None

    def time_sites(
        at: OperatingPoint, model: onnx.ModelProto, outputs: Sequence[str], in_full: Collection[str]
    ) -> dict[str, PairedTimes]:
        if not outputs:
            return {}
        skipping = len(set(outputs) - set(in_full))
        forms = f"{skipping} skipping, {len(outputs) - skipping} by Winograd"
        progress(f"timing the layers, {forms}", len(dense), len(point.thresholds))
        found = dict(timer.sites(model, outputs, lambda output: build(only(at, output), {output} & {*in_full})))
        for output, times in found.items():
            measured[output][Form.WINOGRAD if output in in_full else Form.SKIPPING] = times
        return found

    suiting = time_sites(point, build(point, suiting_winograd), list(suiting_winograd), suiting_winograd)
    in_full = {output: times for output, times in suiting.items() if times.pays}
    rivals = [output for output in _skipping(point) if output in in_full]
    skipping = time_sites(point, build(point, ()), rivals, ())
    winograd = {output for output, times in in_full.items() if not faster(skipping.get(output), times)}
    if winograd:
        point = redistributed(winograd)
    while outputs := [output for output in point.thresholds if output in {*_skipping(point), *winograd}]:
        model = build(point, winograd)
        times = time_sites(point, model, outputs, winograd)
        by_gain = sorted(outputs, key=lambda output: times[output].gain_ms)
        losing = [output for output in by_gain if not times[output].pays]
        if not losing:
            progress(f"timing the model, {len(outputs)} layers as ZapConv", len(dense), len(point.thresholds))
            whole = timer.model(model)
            if whole.pays:
                break
            losing = by_gain[:1]
        for output in losing[: math.ceil(len(losing) / 2)]:
            if output in in_full and output not in winograd:
                winograd.add(output)
            else:
                dense.add(output)
        winograd -= dense
        point = redistributed(dense | winograd)
    if in_full and (in_full.keys() != winograd or _skipping(point)):
        progress(f"timing the model, {len(in_full)} layers by Winograd", len(dense), len(point.thresholds))
        nothing_skipped = redistributed(point.thresholds.keys())
        without_skipping = timer.model(build(nothing_skipped, in_full.keys()))
        if without_skipping.pays and not (outputs and faster(whole, without_skipping)):
            point, winograd, outputs, whole = nothing_skipped, set(in_full), list(in_full), without_skipping

    def form(output: str) -> Form:
        return Form.WINOGRAD if output in winograd else Form.SKIPPING if output in outputs else Form.DENSE

    sites = tuple(TunedSite(output, form(output), times) for output, times in measured.items() if times)
    return Choice(point, frozenset(winograd), sites, whole if outputs else None)


def only(point: OperatingPoint, site: str) -> OperatingPoint:
    """The thresholds of an operating point at which no other site skips."""
    others = {output: values if output == site else (-math.inf,) for output, values in point.thresholds.items()}
    return replace(point, thresholds=others)


def _skipping(point: OperatingPoint) -> list[str]:
    """The sites that skip at an operating point."""
    return [output for output in point.thresholds if point.skips(output)]


def faster(one: PairedTimes | None, other: PairedTimes) -> bool:
    """Whether one of two that were each timed beside the dense nodes is faster beyond noise."""
    if one is None:
        return False
    return one.gain_ms - other.gain_ms > 2 * math.hypot(one.noise_ms, other.noise_ms)


def redistribute(hulls: Sequence[Hull], objective: str, epsilon: float, others: Collection[str]) -> OperatingPoint:
    """The operating point that spends a budget on the sites that may skip, by the measured curves.

    Args:
        hulls: Those of all sites.
        objective: The fit's.
        epsilon: The budget.
        others: The outputs of the sites that do not skip, whose threshold is −∞.
    """
    return LagrangianPath(hulls, objective, others).point(epsilon)
