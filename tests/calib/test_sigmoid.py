"""Sigmoid fits and the minimisation on them."""

from __future__ import annotations

import numpy as np
import pytest

from zaponnx.calib.curves import Curve
from zaponnx.calib.sigmoid import SAMPLED, minimize_macs, sigmoid, smooth_curve


def curve(error: np.ndarray, saved: np.ndarray, macs: float = 100.0) -> Curve:
    """A curve with the values given at SAMPLED."""
    edges = SAMPLED.astype(np.float32).astype(np.float64)
    thresholds = np.concatenate([[-np.inf], edges, [np.inf]])
    return Curve(
        "site",
        "site",
        thresholds,
        np.concatenate([[0.0], error, error[-1:]])[None],
        np.concatenate([[0.0], saved, saved[-1:]])[None],
        macs,
    )


def sigmoid_curve(error_middle: float, macs_middle: float) -> Curve:
    """Error 0 to 0.5 and MACs 100 to 50, both true sigmoids of slope 6."""
    return curve(
        sigmoid(SAMPLED, 0.5, 6.0, 6 * error_middle, 0.0), 100 - sigmoid(SAMPLED, -50.0, 6.0, 6 * macs_middle, 100.0)
    )


def test_the_coefficients_of_true_sigmoids_are_found() -> None:
    smooth = smooth_curve(sigmoid_curve(0.6, 0.2))
    assert smooth.reason == ""
    np.testing.assert_allclose(smooth.coefficients["error"], (0.5, 6.0, 3.6, 0.0), atol=1e-5)
    np.testing.assert_allclose(smooth.coefficients["macs"], (-50.0, 6.0, 1.2, 100.0), atol=1e-3)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (np.zeros_like(SAMPLED), "error: the curve is flat"),
        (np.abs(SAMPLED), "error: the fit's root mean square residual is 25.0% of the curve's range"),
        (np.repeat([0.0, 0.5, 1.0], [6, 15, 6]), "error: the fit does not converge"),
    ],
)
def test_a_curve_that_is_no_sigmoid_is_interpolated_and_the_reason_given(error: np.ndarray, reason: str) -> None:
    measured = curve(error, 100 - sigmoid(SAMPLED, -50.0, 6.0, 1.2, 100.0))
    smooth = smooth_curve(measured)
    assert reason in smooth.reason
    assert smooth.coefficients == {}
    np.testing.assert_allclose(smooth.error.value(SAMPLED), error, atol=1e-12)


@pytest.mark.parametrize("measured", [sigmoid_curve(0.6, 0.2), curve(np.maximum(SAMPLED, 0) ** 2, 10 * SAMPLED + 13)])
def test_slopes_are_the_derivatives(measured: Curve) -> None:
    smooth = smooth_curve(measured)
    thresholds, step = np.array([-0.72, 0.13, 0.68]), 1e-6
    for function in (smooth.error, smooth.macs):
        numeric = (function.value(thresholds + step) - function.value(thresholds - step)) / (2 * step)
        np.testing.assert_allclose(function.slope(thresholds), numeric, rtol=1e-4, atol=1e-6)


def test_the_minimum_is_that_of_a_grid_search() -> None:
    curves = [smooth_curve(sigmoid_curve(0.6, 0.2)), smooth_curve(sigmoid_curve(0.3, 0.4))]
    epsilons = [0.02, 0.1, 0.3]
    grid = np.linspace(-1, 1, 401)
    errors = curves[0].error.value(grid)[:, None] + curves[1].error.value(grid)
    macs = curves[0].macs.value(grid)[:, None] + curves[1].macs.value(grid)
    for epsilon, found in zip(epsilons, minimize_macs(curves, epsilons), strict=True):
        assert found is not None
        first, second = found
        assert curves[0].error.value(first) + curves[1].error.value(second) <= epsilon + 1e-5
        best = macs[errors <= epsilon].min()
        assert curves[0].macs.value(first) + curves[1].macs.value(second) <= best + 0.05


def test_a_budget_below_the_lowest_thresholds_error_has_no_solution() -> None:
    offset = curve(sigmoid(SAMPLED, 0.5, 6.0, 1.0, 0.1), 100 - sigmoid(SAMPLED, -50.0, 6.0, 1.2, 100.0))
    first, second = minimize_macs([smooth_curve(offset)], [0.05, 0.2])
    assert first is None
    assert second is not None
