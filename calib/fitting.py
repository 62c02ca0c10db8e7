"""fit: reads a calibration, writes a fit: thresholds for a whole range of budgets."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zaponnx.artifact_files import load_calibration, save_fit
from zaponnx.artifacts import BLOCKS, GRANULARITIES, OBJECTIVES, SINGLE, Calibration, Fit, OperatingPoint
from zaponnx.budget import Budget
from zaponnx.calib.choosing import check_model, chosen_by_running
from zaponnx.calib.curves import Curve, layer_curve
from zaponnx.calib.exact import LagrangianPath
from zaponnx.calib.hulls import Hull, hulls
from zaponnx.calib.means import Means
from zaponnx.calib.sigmoid import SmoothCurve, minimize_macs, smooth_curve
from zaponnx.chosen_point import ChosenPoint, Goal, UsedData
from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.files import check_output, sha256
from zaponnx.progress import Progress, silent
from zaponnx.providers import Provider

METHODS = ("exact", "sigmoid")

_log = logging.getLogger("zaponnx.fit")

_PAPER_EPSILONS = [step / 100 for step in range(201)]  # 0 to 2
_COARSE_STEP = 0.05  # of epsilon, beyond
_SAVING_STEP = 0.004  # of the sites' MACs, between neighbouring points


def fit(
    calibration: Path | str,
    output: Path | str,
    *,
    method: str = "exact",
    granularity: str | None = None,
    objective: str | None = None,
    block: str | None = None,
    epsilon: float | None = None,
    mac_saving: float | None = None,
    max_drop: float | None = None,
    latency: float | None = None,
    min_latency: bool = False,
    model: Path | str | None = None,
    data: str | None = None,
    split: str | None = None,
    samples: int | None = None,
    batch_size: int | None = None,
    preprocess: str | None = None,
    workers: int = 0,
    providers: Sequence[Provider] | None = None,
    threads: int | None = None,
    costs: Path | str | None = None,
    progress: Progress = silent,
) -> Fit:
    """Chooses thresholds for budgets from nothing lost to only the patterns computed, and maybe one of these points.

    The exact method's budgets are those at which 0.4 % more of the sites' MACs are saved than at the one before, or
    the next step up that the measured curves have. Those of the sigmoids are the paper's, 0 to 2 in steps of 0.01, and
    coarser ones beyond.

    Args:
        calibration: The calibration file.
        output: The fit file to write.
        method: "exact", the optimum on the measured curves; or "sigmoid", the paper's fits, minimised by scipy.
        granularity: "channel", a threshold for each output channel, or "layer", as in the paper. None is "channel" for
            the exact method and single outputs; others have thresholds per layer only.
        objective: What the error of a point is: "output", what the sites' errors do to the model's outputs, as far as
            calibration measured it, or "sum", as in the paper. None is "output" for the exact method; the other has
            sums only.
        block: What is counted as saved: of `zaponnx.artifacts.BLOCKS`, channels x rows x columns of outputs that the
            kernel skips only together. None is "1x1x1", a single output, as zaponnx's CPU kernels skip them; its CUDA
            kernels compute tiles of "64x1x1". The exact method's.
        epsilon, mac_saving: Chooses the point that `convert` takes for the same.
        max_drop: Chooses the point that saves most among those that lose at most this top-1, 0 to 1, as evaluations of
            converted models show.
        latency: Chooses the point with the least error whose model takes at most so many milliseconds, as measured.
        min_latency: Chooses the fastest model that `epsilon` or `max_drop` allows.
        model: The dense model, for `max_drop`, `latency` and `min_latency`; with the other two it is only checked.
        data: The SPEC of the data to run it on; with labels for `max_drop`. For those three, as all below.
        split: Of data that have splits; "calibration" if None.
        samples: Evaluate on at most so many.
        batch_size: Samples per run, unless the model prescribes its batch; if None, 128 to evaluate and 1 to time.
        preprocess: Normalisation of images, as in `calibrate`.
        workers: Processes that decode images, for `max_drop`.
        providers: ONNX Runtime's, which run the models.
        threads: ORT's threads within an operator, for times; all cores if None.
        costs: The cost table: read if the file is there, else measured and written. If None it is beside the output,
            as model.zapcosts.json for model.zapfit.json.
        progress: Told about operating points, or budgets, done, and about every model that is run.

    What is run is kept in OUTPUT.partial, with which the same call goes on after an interrupt. If no point reaches a
    goal, the nearest is chosen, and the fit's `budget_missed` says so.

    Raises:
        InvalidArgument: An unknown method, granularity, objective or block, or one that the method does not have; a
            directory that does not exist; goals that exclude each other; an argument that is missing, out of range or
            in vain.
        ArtifactError: The calibration cannot be read, lacks the blocks, or is of another model; or the cost table is
            damaged, or of another model or machine.
        ModelError: The model cannot be read or run.
        DataError: The data cannot be read, do not suit the model, or have no labels.
        OutputError: The system does not let a file be written.
        RuntimeUnavailable: ONNX Runtime, the library or a provider is missing.
    """
    calibration, output = Path(calibration), Path(output)
    if method not in METHODS:
        raise InvalidArgument("fit", f"unknown method '{method}'", remedy=f"use one of {', '.join(METHODS)}")
    block = _block(block, method)
    if granularity is None and block != SINGLE:
        granularity = "layer"
    granularity = _option("granularity", granularity, GRANULARITIES, method, "layer")
    if block != SINGLE and granularity != "layer":
        problem = f"a block of {block} is skipped by one threshold, and a channel would have its own"
        raise InvalidArgument("fit", problem, remedy="use the granularity 'layer', or the block '1x1x1'")
    objective = _option("objective", objective, OBJECTIVES, method, "sum")
    goal = Goal.of(epsilon, mac_saving, max_drop, latency, min_latency)
    means = Means.of(
        goal,
        output,
        model=model,
        data=data,
        split=split,
        preprocess=preprocess,
        batch_size=batch_size,
        samples=samples,
        workers=workers,
        providers=providers,
        threads=threads,
        costs=costs,
    )
    if goal and goal.by_time and method != "exact":
        problem = f"the method '{method}' does not go by time"
        raise InvalidArgument("fit", problem, remedy="use the method 'exact'")
    inputs = [calibration, *([Path(model)] if model else []), *(means.inputs if means else [])]
    check_output(output, "fit", inputs)
    if means and means.timing:
        check_output(means.costs, "fit", [*inputs, output])
    measured = load_calibration(calibration, "fit")
    if block != SINGLE and any(site.blocks is None for site in measured.sites):
        remedy = "calibrate again, or use the block '1x1x1'"
        raise ArtifactError("fit", "it has not measured blocks", where=str(calibration), remedy=remedy)
    if granularity == "layer":
        warn_if_refined(measured, _log)
    result = _fitted(measured, calibration, method, granularity, objective, block, progress)
    if model:
        check_model(Path(model), result, calibration)
    with _choosing(goal, means, result, measured, calibration, output, progress) as chosen:
        result = replace(result, chosen=chosen)
        if result.note:
            _log.warning(result.note)
        save_fit(result, output)
    return result


def warn_if_refined(calibration: Calibration, log: logging.Logger) -> None:
    """Warns that thresholds per layer do not suit predictors that are refined."""
    if any(site.worths is not None for site in calibration.sites):
        problem = "the predictors are refined for a threshold per channel, and save less with one per layer"
        log.warning("%s: for that, calibrate with --refine-steps 0", problem)


def _fitted(
    measured: Calibration,
    path: Path,
    method: str,
    granularity: str,
    objective: str,
    block: str,
    progress: Progress,
) -> Fit:
    """All points; none of them is chosen."""
    if method == "exact":
        points = exact_points(hulls(measured, granularity, block), objective, progress)
        sources: Mapping[str, Mapping[str, Any]] = {site.output: {"curve": "measured"} for site in measured.sites}
    else:
        points, sources = _sigmoid(measured, progress)
    return Fit(
        model_sha256=measured.model_sha256,
        calibration_sha256=sha256(path),
        method=method,
        granularity=granularity,
        objective=objective,
        points=tuple(points),
        curves=sources,
        calibrated_on=UsedData.by_calibration(measured.settings),
        block=block,
    )


@contextmanager
def _choosing(
    goal: Goal | None,
    means: Means | None,
    fitted: Fit,
    measured: Calibration,
    calibration: Path,
    output: Path,
    progress: Progress,
) -> Iterator[ChosenPoint | None]:
    """Yields the point that is asked for, None if none is."""
    if goal is None:
        yield None
    elif means is None:
        point, missed, _ = Budget(goal.epsilon, goal.mac_saving).select(fitted)
        yield ChosenPoint(goal, point, missed=missed)
    else:
        with chosen_by_running(goal, means, fitted, measured, calibration, output, progress) as chosen:
            yield chosen


def _option(name: str, value: str | None, values: Sequence[str], method: str, papers: str) -> str:
    """An option's value, checked; the exact method's default is the first, the paper's method has one only."""
    if value is None:
        return values[0] if method == "exact" else papers
    if value not in values:
        raise InvalidArgument("fit", f"unknown {name} '{value}'", remedy=f"use one of {', '.join(values)}")
    if method == "sigmoid" and value != papers:
        remedy = f"use the {name} '{papers}', or the method 'exact'"
        raise InvalidArgument("fit", f"the method 'sigmoid' does not have the {name} '{value}'", remedy=remedy)
    return value


def _block(value: str | None, method: str) -> str:
    """What is counted as saved, checked; the paper's method counts single outputs."""
    block = SINGLE if value is None else value
    if block not in BLOCKS:
        raise InvalidArgument("fit", f"unknown block '{block}'", remedy=f"use one of {', '.join(BLOCKS)}")
    if method == "sigmoid" and block != SINGLE:
        problem = f"the method 'sigmoid' does not count blocks of {block}"
        raise InvalidArgument("fit", problem, remedy="use the block '1x1x1', or the method 'exact'")
    return block


def exact_points(found: Sequence[Hull], objective: str, progress: Progress = silent) -> list[OperatingPoint]:
    """The optima of a range of budgets, from nothing lost to only the patterns computed."""
    path = LagrangianPath(found, objective)
    levels = np.arange(path.saved[0], path.saved[-1], _SAVING_STEP)
    steps = np.unique(np.searchsorted(path.saved, levels))
    points = []
    for done, budget in enumerate(path.budgets[steps], start=1):
        points.append(path.point(float(budget)))
        progress("choosing thresholds", done, len(steps))
    patterns_only = {hull.site: (math.inf,) * hull.size for hull in found}
    return [*points, replace(path.point(math.inf), epsilon=float(path.budgets[-1]), thresholds=patterns_only)]


def _sigmoid(
    calibration: Calibration, progress: Progress
) -> tuple[list[OperatingPoint], Mapping[str, Mapping[str, Any]]]:
    """The paper's points, and how each site's curves were obtained."""
    curves = [layer_curve(site, calibration.edges) for site in calibration.sites]
    smooth = [smooth_curve(curve) for curve in curves]
    lossless = LagrangianPath(hulls(calibration, "layer"), "sum").point(0)
    points = [lossless]
    epsilons = _grid(curves)[1:]
    for epsilon, solution in zip(epsilons, minimize_macs(smooth, epsilons, progress), strict=True):
        if solution is None:
            points.append(replace(lossless, epsilon=epsilon))
        else:
            points.append(measured_point(curves, epsilon, [float(np.float32(threshold)) for threshold in solution]))
    patterns_only = measured_point(curves, 0.0, [math.inf] * len(curves))
    points.append(replace(patterns_only, epsilon=max(points[-1].epsilon, patterns_only.error)))
    return points, {curve.site: _source(fitted) for curve, fitted in zip(curves, smooth, strict=True)}


def measured_point(curves: Sequence[Curve], epsilon: float, thresholds: Sequence[float]) -> OperatingPoint:
    """The operating point with one threshold per site, and its error and saving on the measured curves."""
    measured = [curve.at(threshold) for curve, threshold in zip(curves, thresholds, strict=True)]
    return OperatingPoint(
        epsilon=epsilon,
        error=math.fsum(error for error, _ in measured),
        mac_saved=math.fsum(saved for _, saved in measured) / math.fsum(curve.macs for curve in curves),
        thresholds={curve.site: (threshold,) for curve, threshold in zip(curves, thresholds, strict=True)},
    )


def _source(fitted: SmoothCurve) -> dict[str, Any]:
    if fitted.reason:
        return {"curve": "measured", "reason": fitted.reason}
    return {"curve": "sigmoid", **{name: list(values) for name, values in fitted.coefficients.items()}}


def _grid(curves: Sequence[Curve]) -> list[float]:
    """The paper's budgets, and coarser ones up to the error of computing the patterns only."""
    largest = math.fsum(float(curve.error[:, -1].sum()) for curve in curves)
    return [*_PAPER_EPSILONS, *map(float, np.arange(2 + _COARSE_STEP, largest, _COARSE_STEP))]
