"""The Lagrangian path against enumeration of all thresholds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from zaponnx.calib.curves import Curve
from zaponnx.calib.exact import LagrangianPath

Maker = Callable[[np.random.Generator, str], Curve]


def totals(curves: list[Curve], thresholds: list[float]) -> tuple[float, float]:
    """(Σ error, Σ saved)."""
    points = [curve.at(threshold) for curve, threshold in zip(curves, thresholds, strict=True)]
    return math.fsum(error for error, _ in points), math.fsum(saved for _, saved in points)


def largest_hull_step(curves: list[Curve]) -> float:
    """An upper bound of what the optimum can be above the corner before it: the largest saving of any site."""
    return max(float(curve.saved[-1] - curve.saved[0]) for curve in curves)


@pytest.mark.parametrize("seed", range(20))
def test_no_choice_of_thresholds_beats_the_path_at_its_corners(random_curve: Maker, seed: int) -> None:
    generator = np.random.default_rng(seed)
    curves = [random_curve(generator, f"site{index}") for index in range(3)]
    path = LagrangianPath(curves)
    every = [totals(curves, list(choice)) for choice in itertools.product(*(curve.thresholds for curve in curves))]
    for budget, saved in zip(path.budgets, path.saved, strict=True):
        best = max(found for error, found in every if error <= budget + 1e-9)
        assert saved == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_between_corners_the_budget_is_kept_and_filled(random_curve: Maker, seed: int) -> None:
    generator = np.random.default_rng(100 + seed)
    curves = [random_curve(generator, f"site{index}") for index in range(3)]
    path = LagrangianPath(curves)
    every = [totals(curves, list(choice)) for choice in itertools.product(*(curve.thresholds for curve in curves))]
    for epsilon in np.linspace(0, path.budgets[-1] * 1.1, 25):
        chosen = path.thresholds(float(epsilon))
        error, saved = totals(curves, chosen)
        best = max(found for total, found in every if total <= epsilon)
        corner = path.saved[np.searchsorted(path.budgets, epsilon * (1 - 1e-9), side="right") - 1]
        assert error <= epsilon
        assert corner - 1e-9 <= saved <= best + 1e-9
        assert saved > best - largest_hull_step(curves) - 1e-9
        for index, curve in enumerate(curves):  # no single site can still be moved
            for threshold in curve.thresholds:
                other = totals(curves, [*chosen[:index], float(threshold), *chosen[index + 1 :]])
                assert other[0] > epsilon * (1 - 1e-9) or other[1] <= saved + 1e-9


def test_without_a_budget_the_lowest_threshold_that_skips_all_free_work_is_taken() -> None:
    thresholds = np.array([-np.inf, -1.0, 0.0, 1.0, np.inf])
    curve = Curve("site", "site", thresholds, np.array([0, 0, 0, 0, 0.5]), np.array([0.0, 2, 3, 3, 9]), macs=10)
    assert LagrangianPath([curve]).thresholds(0) == [0.0]


def test_a_site_that_loses_nothing_computes_its_pattern_only() -> None:
    curve = Curve("site", "site", np.array([-np.inf, 0.0, np.inf]), np.zeros(3), np.array([0.0, 4, 5]), macs=10)
    path = LagrangianPath([curve])
    assert path.thresholds(0) == [math.inf]
    assert path.saved.tolist() == [5.0]
