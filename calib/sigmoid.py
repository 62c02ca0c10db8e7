"""The paper's thresholds: reads curves, fits both by sigmoids and minimises the MACs on the fits.

Each curve, sampled at thresholds from -1.3 to 1.3 in steps of 0.1, is fitted by d + a / (1 + exp(-b·x + c)); then
Σ MAC_l(T_l) is minimised subject to Σ error_l(T_l) ≤ ε, T in [-1, 1] (ECCV 2020). A site whose curves are no sigmoids
keeps its measured ones, interpolated.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import curve_fit, minimize
from scipy.special import expit

from zaponnx.calib.curves import Curve, Doubles
from zaponnx.progress import Progress, silent

SAMPLED: Doubles = np.arange(-13, 14) / 10
_LOWEST, _HIGHEST = -1.0, 1.0
_POOR = 0.1  # a fit is given up if its root mean square residual is more than this part of the curve's range
_SLACK = 1e-6  # of error, by which the optimiser may exceed the budget on the fits

Coefficients = tuple[float, float, float, float]


@dataclass(frozen=True)
class Smooth:
    """A differentiable function of the threshold."""

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]


@dataclass(frozen=True)
class SmoothCurve:
    """A site's two curves as differentiable functions.

    Attributes:
        error, macs: error(T), and MAC(T) per sample.
        coefficients: (a, b, c, d) of the sigmoids, by "error" and "macs"; none where the measured curves are used.
        reason: Why a fit was given up, or "".
    """

    error: Smooth
    macs: Smooth
    coefficients: dict[str, Coefficients]
    reason: str


def sigmoid(x: Any, a: float, b: float, c: float, d: float) -> Any:
    """d + a / (1 + exp(-b·x + c))."""
    return d + a * expit(b * x - c)


def sampled(curve: Curve) -> tuple[Doubles, Doubles]:
    """The measured error and MACs at SAMPLED."""
    points = np.array([curve.at(threshold) for threshold in SAMPLED])
    return points[:, 0], curve.macs - points[:, 1]


def smooth_curve(curve: Curve) -> SmoothCurve:
    """Fits a site's curves, or interpolates both where one is no sigmoid."""
    values = dict(zip(("error", "macs"), sampled(curve), strict=True))
    fits = {name: _fitted(points) for name, points in values.items()}
    coefficients = {name: fit for name, fit in fits.items() if not isinstance(fit, str)}
    if len(coefficients) == len(fits):
        return SmoothCurve(
            error=_smooth_sigmoid(coefficients["error"]),
            macs=_smooth_sigmoid(coefficients["macs"]),
            coefficients=coefficients,
            reason="",
        )
    reason = "; ".join(f"{name}: {fit}" for name, fit in fits.items() if isinstance(fit, str))
    return SmoothCurve(_interpolated(values["error"]), _interpolated(values["macs"]), {}, reason)


def _smooth_sigmoid(coefficients: Coefficients) -> Smooth:
    a, b, c, _ = coefficients

    def slope(x: Any) -> Any:
        share = expit(b * x - c)
        return a * b * share * (1 - share)

    return Smooth(lambda x: sigmoid(x, *coefficients), slope)


def _interpolated(values: Doubles) -> Smooth:
    value = PchipInterpolator(SAMPLED, values)
    return Smooth(value, value.derivative())


def _fitted(values: Doubles) -> Coefficients | str:
    """The coefficients of the sigmoid through the values at SAMPLED, or why there are none."""
    spread = float(np.ptp(values))
    if spread == 0:
        return "the curve is flat"
    scaled = (values - values[0]) / spread  # rises from 0 to 1, or falls from 0 to -1
    middle = float(SAMPLED[np.argmin(np.abs(np.abs(scaled) - 0.5))])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the covariance, which is not used
            (a, b, c, d), _ = curve_fit(sigmoid, SAMPLED, scaled, p0=(np.sign(scaled[-1]), 5.0, 5.0 * middle, 0.0))
    except RuntimeError:
        return "the fit does not converge"
    residual = float(np.sqrt(np.mean((sigmoid(SAMPLED, a, b, c, d) - scaled) ** 2)))
    if not residual <= _POOR:
        return f"the fit's root mean square residual is {residual:.1%} of the curve's range, more than {_POOR:.0%}"
    return float(a * spread), float(b), float(c), float(d * spread + values[0])


def minimize_macs(
    curves: Sequence[SmoothCurve], epsilons: Sequence[float], progress: Progress = silent
) -> list[Doubles | None]:
    """For every budget, ascending, the thresholds of the sites that minimise Σ MAC(T) on the smooth curves.

    None where even the lowest thresholds exceed the budget. `progress` is told about budgets done.
    """
    solutions: list[Doubles | None] = []
    previous: Doubles | None = None
    for done, epsilon in enumerate(epsilons, start=1):
        previous = _minimized(curves, epsilon, previous)
        solutions.append(previous)
        progress("minimising the MACs", done, len(epsilons))
    return solutions


def _minimized(curves: Sequence[SmoothCurve], epsilon: float, previous: Doubles | None) -> Doubles | None:
    """The best of what SLSQP finds from the last budget's solution and from equal thresholds that use the budget up."""
    whole = sum(float(curve.macs.value(_LOWEST)) for curve in curves)

    def error(thresholds: Doubles) -> float:
        return float(sum(curve.error.value(t) for curve, t in zip(curves, thresholds, strict=True)))

    def macs(thresholds: Doubles) -> float:
        return float(sum(curve.macs.value(t) for curve, t in zip(curves, thresholds, strict=True))) / whole

    def macs_slope(thresholds: Doubles) -> Doubles:
        return np.array([curve.macs.slope(t) for curve, t in zip(curves, thresholds, strict=True)]) / whole

    def room_slope(thresholds: Doubles) -> Doubles:
        return -np.array([curve.error.slope(t) for curve, t in zip(curves, thresholds, strict=True)])

    constraint = {"type": "ineq", "fun": lambda thresholds: epsilon - error(thresholds), "jac": room_slope}
    bounds = [(_LOWEST, _HIGHEST)] * len(curves)
    starts = [start for start in (_equal_thresholds(error, epsilon, len(curves)), previous) if start is not None]
    feasible = list(starts)
    options = {"ftol": 1e-9, "maxiter": 200}
    for start in starts:
        found = minimize(
            macs, start, method="SLSQP", jac=macs_slope, bounds=bounds, constraints=constraint, options=options
        )
        thresholds = np.clip(found.x, _LOWEST, _HIGHEST)
        if error(thresholds) <= epsilon + _SLACK:
            feasible.append(thresholds)
    return min(feasible, key=macs, default=None)


def _equal_thresholds(error: Callable[[Doubles], float], epsilon: float, sites: int) -> Doubles | None:
    """The highest threshold that keeps to the budget when all sites share it, by bisection."""
    low, high = _LOWEST, _HIGHEST
    if error(np.full(sites, low)) > epsilon:
        return None
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if error(np.full(sites, middle)) <= epsilon else (low, middle)
    return np.full(sites, low)
