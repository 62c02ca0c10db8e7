"""fit: reads a calibration, writes a fit: thresholds for a whole range of budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zaponnx.artifact_files import load_calibration, save_fit
from zaponnx.artifacts import Fit, OperatingPoint
from zaponnx.calib.curves import Curve, measured_curve, operating_point
from zaponnx.calib.exact import LagrangianPath
from zaponnx.calib.sigmoid import SmoothCurve, minimize_macs, smooth_curve
from zaponnx.errors import InvalidArgument
from zaponnx.files import check_output, sha256

METHODS = ("exact", "sigmoid")

_PAPER_EPSILONS = [step / 100 for step in range(201)]  # 0 to 2
_COARSE_STEP = 0.05  # of epsilon, beyond
_SAVING_STEP = 0.0025  # of the sites' MACs, between neighbouring points


def fit(calibration: Path | str, output: Path | str, *, method: str = "exact") -> Fit:
    """Chooses thresholds for budgets from nothing lost to only the patterns computed.

    The budgets are the paper's, 0 to 2 in steps of 0.01, and coarser ones beyond. The exact method adds more, so that
    the saving on the concave hull of the optimum rises by at most 0.25 % of the MACs from each to the next. No choice
    saves more than the hull, and what a point saves can fall below it by a layer's step from one threshold to the
    next: the points' own savings can be further apart, most so at small budgets. They never fall as its budgets grow.

    Args:
        calibration: The calibration file.
        output: The fit file to write.
        method: "exact", the optimum on the measured curves; or "sigmoid", the paper's fits, minimised by scipy.

    Raises:
        InvalidArgument: An unknown method, or a directory that does not exist.
        ArtifactError: The calibration cannot be read.
    """
    calibration, output = Path(calibration), Path(output)
    if method not in METHODS:
        raise InvalidArgument("fit", f"unknown method '{method}'", remedy=f"use one of {', '.join(METHODS)}")
    check_output(output, "fit", [calibration])
    measured = load_calibration(calibration, "fit")
    curves = [measured_curve(site, measured.edges) for site in measured.sites]
    points, sources = (_exact if method == "exact" else _sigmoid)(curves)
    result = Fit(measured.model_sha256, sha256(calibration), method, tuple(points), sources)
    save_fit(result, output)
    return result


def _exact(curves: Sequence[Curve]) -> tuple[list[OperatingPoint], Mapping[str, Mapping[str, Any]]]:
    path = LagrangianPath(curves)
    levels = np.arange(path.saved[0], path.saved[-1], _SAVING_STEP * math.fsum(curve.macs for curve in curves))
    between = np.interp(levels, path.saved, path.budgets)
    points: list[OperatingPoint] = []
    for epsilon in sorted({*_grid(curves), *map(float, between)}):
        point = operating_point(curves, epsilon, path.thresholds(epsilon))
        # A smaller budget's point keeps to this one too: filling a budget up must not make it save less.
        if points and points[-1].mac_saved > point.mac_saved:
            point = replace(points[-1], epsilon=epsilon)
        points.append(point)
    return [*points, _patterns_only(curves)], {curve.site: {"curve": "measured"} for curve in curves}


def _sigmoid(curves: Sequence[Curve]) -> tuple[list[OperatingPoint], Mapping[str, Mapping[str, Any]]]:
    smooth = [smooth_curve(curve) for curve in curves]
    lossless = LagrangianPath(curves).thresholds(0)
    points = [operating_point(curves, 0.0, lossless)]
    epsilons = _grid(curves)[1:]
    for epsilon, solution in zip(epsilons, minimize_macs(smooth, epsilons), strict=True):
        thresholds = lossless if solution is None else [float(np.float32(threshold)) for threshold in solution]
        points.append(operating_point(curves, epsilon, thresholds))
    sources = {curve.site: _source(fitted) for curve, fitted in zip(curves, smooth, strict=True)}
    return [*points, _patterns_only(curves)], sources


def _source(fitted: SmoothCurve) -> dict[str, Any]:
    if fitted.reason:
        return {"curve": "measured", "reason": fitted.reason}
    return {"curve": "sigmoid", **{name: list(values) for name, values in fitted.coefficients.items()}}


def _grid(curves: Sequence[Curve]) -> list[float]:
    """The paper's budgets, and coarser ones up to the error of computing the patterns only."""
    coarse = np.arange(2 + _COARSE_STEP, math.fsum(float(curve.error[-1]) for curve in curves), _COARSE_STEP)
    return [*_PAPER_EPSILONS, *map(float, coarse)]


def _patterns_only(curves: Sequence[Curve]) -> OperatingPoint:
    point = operating_point(curves, 0.0, [math.inf] * len(curves))
    return replace(point, epsilon=max(_PAPER_EPSILONS[-1], point.error))
