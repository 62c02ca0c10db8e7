"""Measures a network's layers and the whole of its convolutions, at one batch size and precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from benchmarks.gpu.library import Library, LibraryError
from benchmarks.gpu.peers import Cast, Run, Zap, cudnn_runs, make_zap, precision_of_cudnn
from benchmarks.gpu.problems import make_problem
from benchmarks.gpu.report import Measurement, Results
from benchmarks.gpu.shapes import Shape
from benchmarks.gpu.timing import timed
from benchmarks.points import Point
from benchmarks.timing import Effort, Times

Timer = Callable[[Mapping[str, Sequence[Run]], str, Effort], dict[str, Times]]


@dataclass(frozen=True)
class Bench:
    """What all measurements have in common.

    Attributes:
        library: ZapConv's.
        effort: How long to measure.
        layers: Whether each layer is timed, and not the networks alone.
        element_channels: Of ZapConv's layers, as in the header.
        expired: Says whether the time is up.
        device: Where.
        timer: `benchmarks.gpu.timing.timed`.
    """

    library: Library
    effort: Effort
    layers: bool
    element_channels: int
    expired: Callable[[], bool]
    device: torch.device
    timer: Timer = timed

    def network(
        self,
        network: str,
        shapes: Sequence[Shape],
        points: Sequence[Point],
        batch: int,
        precision: str,
        results: Results,
    ) -> None:
        """Adds a network's measurements to the results, or why there are none."""
        where = f"{network}, batch {batch}, {precision}"
        made: dict[Shape, _Made] = {}
        try:
            for shape in shapes:
                if shape in made:
                    continue
                if self.expired():
                    results.left_out.append(f"{where}: the time was up at {shape.name}")
                    return
                made[shape] = self._made(shape, points, batch, precision, f"{where}, {shape.name}", results)
                if shape.predicted and self.layers:
                    self._layer(network, shape, shapes.count(shape), made[shape], batch, precision, results)
            self._whole(network, [made[shape] for shape in shapes], points, batch, precision, results)
        except torch.OutOfMemoryError:
            results.left_out.append(f"{where}: the GPU's memory does not suffice")
        except LibraryError as error:
            results.wrong.append(f"{where}: {error}")

    def _made(
        self, shape: Shape, points: Sequence[Point], batch: int, precision: str, where: str, results: Results
    ) -> _Made:
        problem = make_problem(shape, batch, self.device)
        cast = Cast.of(problem, precision)
        made = _Made(shape, cudnn_runs(problem, cast))
        with precision_of_cudnn(precision):
            for name, run in list(made.cudnn.items()):
                try:
                    run()
                except RuntimeError as error:
                    if isinstance(error, torch.OutOfMemoryError) or len(made.cudnn) == 1:
                        raise
                    del made.cudnn[name]
                    results.left_out.append(f"{where}, {name}: {' '.join(str(error).split())[:200]}")
        for point in points if shape.predicted else ():
            zap = make_zap(self.library, problem, cast, point.pattern, point.saving, precision, self.element_channels)
            if wrong := zap.wrong(precision):
                results.wrong.append(f"{where}, {point.name}: {wrong}")
            else:
                made.zaps[point.name] = zap
        return made

    def _layer(
        self, network: str, shape: Shape, count: int, made: _Made, batch: int, precision: str, results: Results
    ) -> None:
        runs = {**made.cudnn, **{name: zap.run for name, zap in made.zaps.items()}}
        times = self.timer({name: [run] for name, run in runs.items()}, precision, self.effort)
        cudnn = {name: times[name] for name in made.cudnn}
        macs = shape.macs * batch
        for name, zap in made.zaps.items():
            outside = zap.work["outside"]
            results.measurements.append(
                Measurement(
                    network=network,
                    layer=shape.name,
                    count=count,
                    batch=batch,
                    precision=precision,
                    point=name,
                    macs=macs,
                    saved_macs=macs * zap.saved,
                    saved=zap.saved,
                    tiles=zap.work["tiles"] / outside if outside else None,
                    difference=zap.difference,
                    flips=zap.flips,
                    cudnn=cudnn,
                    zap=times[name],
                )
            )

    def _whole(
        self,
        network: str,
        made: Sequence[_Made],
        points: Sequence[Point],
        batch: int,
        precision: str,
        results: Results,
    ) -> None:
        """All convolutions one after the other, at the points at which all layers' results are right."""
        ways = {name: [each.cudnn.get(name) or each.any for each in made] for name in ("cudnn", "cudnn_fused")}
        chosen = [
            point.name for point in points if all(point.name in each.zaps for each in made if each.shape.predicted)
        ]
        sequences: dict[str, list[Run]] = dict(ways)
        for name in chosen:
            sequences[name] = [each.zaps[name].run if each.shape.predicted else each.any for each in made]
        times = self.timer(sequences, precision, self.effort)
        macs = sum(each.shape.macs for each in made) * batch
        predicted = sum(each.shape.macs for each in made if each.shape.predicted) * batch
        for name in chosen:
            zaps = [(each.shape.macs * batch, each.zaps[name]) for each in made if each.shape.predicted]
            saved = sum(dense * zap.saved for dense, zap in zaps)
            results.measurements.append(
                Measurement(
                    network=network,
                    layer="",
                    count=1,
                    batch=batch,
                    precision=precision,
                    point=name,
                    macs=macs,
                    saved_macs=saved,
                    saved=saved / predicted,
                    tiles=None,
                    difference=max(zap.difference for _, zap in zaps),
                    flips=max(zap.flips for _, zap in zaps),
                    cudnn={way: times[way] for way in ways},
                    zap=times[name],
                )
            )


@dataclass(frozen=True, eq=False)
class _Made:
    """A layer's contenders: cuDNN's by way, and ZapConv by point."""

    shape: Shape
    cudnn: dict[str, Run]
    zaps: dict[str, Zap] = field(default_factory=dict)

    @property
    def any(self) -> Run:
        """cuDNN's last way: in one call where that works."""
        return list(self.cudnn.values())[-1]
