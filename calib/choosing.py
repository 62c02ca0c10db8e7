"""Chooses an operating point by running models: reads a fit, the dense model and data, gives the best point for a goal.

The points lie on a path from no error to the patterns only: the fit's own or, where time counts, that of a cost table.
What their models lose grows along it, and what they take falls; so the point for a goal is found by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from zaponnx.artifacts import Calibration, Fit, OperatingPoint
from zaponnx.calib.cost_table import CostTable, costs_in
from zaponnx.calib.hulls import hulls
from zaponnx.calib.means import Means
from zaponnx.calib.partial_file import PartialFile
from zaponnx.calib.running import Models, opened, timer_of
from zaponnx.calib.time_path import Placed, TimePath, site_paths
from zaponnx.calib.trials import Trials, last_of_leading
from zaponnx.chosen_point import ChosenPoint, Conditions, Goal, UsedData
from zaponnx.dense_model import DenseModel
from zaponnx.errors import ArtifactError, on_behalf_of
from zaponnx.machine import versions
from zaponnx.models import load_model, model_sha256
from zaponnx.progress import Progress
from zaponnx.site_choice import faster

_ROUNDING = 1e-9  # of a difference of two accuracies

Points = Sequence[Placed] | TimePath


@contextmanager
def chosen_by_running(
    goal: Goal, means: Means, fit: Fit, calibration: Calibration, artifact: Path, output: Path, progress: Progress
) -> Iterator[ChosenPoint]:
    """Yields the point for a goal; what was run is kept in a partial file until the block has ended.

    Args:
        goal: A drop or a time.
        means: What models are run with.
        fit, calibration: The fit, and the calibration that it was made from.
        artifact: The calibration's file.
        output: The fit's, which names the partial file.
        progress: Told about every run.

    Raises:
        ZapError: As `zaponnx.fit` says.
    """
    with on_behalf_of("fit"):
        found = hulls(calibration, fit.granularity, fit.block)
        dense = DenseModel.of(means.model, load_model(means.model, "fit"), calibration, fit, found, artifact)
        source = opened(dense, means, labelled=goal.max_drop is not None)
        used = UsedData(means.data, source.split, source.length if goal.max_drop is not None else None)
        timer, conditions, path = timer_of(dense, means), None, None
        points: Points = [Placed(point) for point in fit.points]
        if timer is not None and means.timing is not None:
            batch_size = source.batch_size if source.fixed_batch else means.timing.batch_size
            conditions = Conditions.here(means.timing.threads, batch_size, means.timing.device)
            wanted = CostTable(fit.model_sha256, fit.calibration_sha256, replace(used, samples=None), conditions, ())
            paths = site_paths(found)
            costs = costs_in(means.costs, wanted, dense, paths, timer, progress)
            points = path = TimePath(found, fit.objective, paths, costs)
        file = PartialFile(output, "fit", _settings(fit, means, used, conditions, path))
        trials = Trials(file)
        models = Models(dense, means, timer, trials, progress)
        placed, missed = _chosen(goal, points, models, Placed(_dense_point(fit)))
    yield ChosenPoint(goal, placed.point, tuple(sorted(placed.winograd)), missed, used, conditions, trials.used)
    file.discard()


def check_model(path: Path, fit: Fit, artifact: Path) -> None:
    """Refuses a model that is not the calibrated one.

    Raises:
        ArtifactError: The calibration is another model's.
        ModelError: The model cannot be read.
    """
    if model_sha256(path, "fit") != fit.model_sha256:
        remedy = "give the model that was calibrated, with --model"
        raise ArtifactError("fit", f"it belongs to another model than {path}", where=str(artifact), remedy=remedy)


def _settings(
    fit: Fit, means: Means, used: UsedData, conditions: Conditions | None, path: TimePath | None
) -> dict[str, Any]:
    """All that the trials depend on: so not the goal's number."""
    return {
        **{
            name: getattr(fit, name)
            for name in ("model_sha256", "calibration_sha256", "method", "granularity", "block")
        },
        "objective": fit.objective,
        "data": asdict(used),
        "preprocess": means.preprocess,
        "batch_size": means.evaluation_batch,
        "providers": repr(means.providers),
        "conditions": asdict(conditions) if conditions else None,
        "points": path.errors if path else len(fit.points),
        "versions": versions(),
    }


def _dense_point(fit: Fit) -> OperatingPoint:
    return OperatingPoint(
        0.0, 0.0, 0.0, {output: (-math.inf,) * len(values) for output, values in fit.points[0].thresholds.items()}
    )


def _chosen(goal: Goal, points: Points, models: Models, dense: Placed) -> tuple[Placed, str]:
    """The point for a goal, and why that is missed, "" if it is met."""
    if goal.latency is not None:
        return _within_latency(goal.latency, points, models, dense)
    if goal.epsilon is not None and isinstance(points, TimePath):
        placed, missed = points.at(goal.epsilon), ""
    else:
        assert goal.max_drop is not None
        placed, missed = _within_drop(goal.max_drop, points, models)
    if not goal.min_latency:
        return placed, missed
    return dense if missed else _fastest(placed, points[0], models, dense), ""  # the dense model loses nothing


def _within_drop(limit: float, points: Points, models: Models) -> tuple[Placed, str]:
    """The last point that loses no more top-1; the first one if none does, and why the goal is missed."""
    number = last_of_leading(len(points), lambda each: models.drop(points[each]) <= limit + _ROUNDING)
    if number >= 0:
        return points[number], ""
    first = points[0]
    return first, (
        f"even the point with the least error, which saves {first.point.mac_saved:.2%} of the MACs, loses "
        f"{models.drop(first):.2%} of top-1, and not {limit:.2%} at most"
    )


def _within_latency(limit: float, points: Points, models: Models, dense: Placed) -> tuple[Placed, str]:
    """The first point that takes no more time; the fastest of those tried if none does, and why the goal is missed."""
    tried: dict[int, float] = {}

    def too_slow(number: int) -> bool:
        tried[number] = models.times(points[number]).converted_ms
        return tried[number] > limit

    number = last_of_leading(len(points), too_slow) + 1
    missed = number == len(points)
    if missed:
        number = min(tried, key=lambda each: tried[each])
    times = models.times(points[number])
    if not times.pays and (missed or times.dense_ms <= limit):
        return dense, f"nothing is faster than the dense model, which takes {times.dense_ms:.3f} ms" if missed else ""
    problem = f"the fastest model that was tried takes {times.converted_ms:.3f} ms, and not {limit:g} at most"
    return points[number], problem if missed else ""


def _fastest(placed: Placed, in_full: Placed, models: Models, dense: Placed) -> Placed:
    """A point, or where that is no faster, beyond noise, the one at which nothing is skipped, or the dense model."""
    times = models.times(placed)
    if in_full.winograd and in_full != placed:
        without_skipping = models.times(in_full)
        if not faster(times, without_skipping):
            placed, times = in_full, without_skipping
    return placed if times.pays else dense
