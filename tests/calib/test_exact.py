"""The Lagrangian path against enumeration of all thresholds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from zaponnx.artifacts import OperatingPoint
from zaponnx.calib.curves import Curve
from zaponnx.calib.exact import LagrangianPath
from zaponnx.calib.hulls import hull

Maker = Callable[[np.random.Generator, str, int], Curve]


def totals(curves: Sequence[Curve], thresholds: Sequence[float]) -> tuple[float, float]:
    """(Σ error, Σ saved) with one threshold for each row of each curve, one after the other."""
    rows = [
        (error, saved, curve.thresholds)
        for curve in curves
        for error, saved in zip(curve.error, curve.saved, strict=True)
    ]
    at = [(error[t == at][0], saved[t == at][0]) for (error, saved, t), at in zip(rows, thresholds, strict=True)]
    return math.fsum(error for error, _ in at), math.fsum(saved for _, saved in at)


def flat(curves: Sequence[Curve], point: OperatingPoint) -> list[float]:
    """A point's thresholds as float64, all sites' one after the other."""
    return [value for curve in curves for value in point.thresholds[curve.site]]


def errors(curves: Sequence[Curve], thresholds: Sequence[float]) -> list[float]:
    """Each curve's error, with one threshold for each row of each curve, one after the other."""
    sizes = itertools.accumulate((len(curve.error) for curve in curves), initial=0)
    parts = [thresholds[start:end] for start, end in itertools.pairwise(sizes)]
    return [totals([curve], part)[0] for curve, part in zip(curves, parts, strict=True)]


@pytest.mark.parametrize("objective", ["sum", "output"])
@pytest.mark.parametrize("seed", range(20))
def test_no_choice_of_thresholds_beats_the_path(random_curve: Maker, seed: int, objective: str) -> None:
    """Not at its corners, and between them by no more than the next step; by squares, at the corners, too."""
    generator = np.random.default_rng(seed)
    curves = [random_curve(generator, "layer", 1), random_curve(generator, "channels", 3)]
    weights = [0.5, 1.5]
    macs = sum(curve.macs for curve in curves)
    path = LagrangianPath([hull(curve, weight) for curve, weight in zip(curves, weights, strict=True)], objective)

    def total(thresholds: Sequence[float]) -> tuple[float, float]:
        """(error, saved)."""
        found = errors(curves, thresholds)
        squares = sum(weight * error**2 for weight, error in zip(weights, found, strict=True))
        return sum(found) if objective == "sum" else math.sqrt(2 * squares), totals(curves, thresholds)[1]

    every = [total(choice) for choice in itertools.product(curves[0].thresholds, repeat=4)]
    for budget, saved in zip(path.budgets, path.saved, strict=True):
        best = max(found for error, found in every if error <= budget + 1e-6)
        if objective == "sum":
            assert saved * macs == pytest.approx(best, abs=1e-5)
        point = path.point(float(budget))
        assert total(flat(curves, point)) == pytest.approx((point.error, point.mac_saved * macs), abs=1e-5)
        assert (point.error, point.mac_saved) == (budget, saved)
    for epsilon in np.linspace(0, path.budgets[-1] * 1.1, 25):
        point = path.point(float(epsilon))
        assert point.error <= epsilon == point.epsilon
        following = path.saved[np.searchsorted(path.saved, point.mac_saved, side="right") :]
        best = max(found for error, found in every if error <= epsilon)
        assert best <= max([point.mac_saved, *following[:1]]) * macs + 1e-5


def test_without_a_budget_the_lowest_threshold_that_skips_all_free_work_is_taken() -> None:
    thresholds = np.array([-np.inf, -1.0, 0.0, 1.0, np.inf])
    curve = Curve("site", "site", thresholds, np.array([[0, 0, 0, 0, 0.5]]), np.array([[0.0, 2, 3, 3, 9]]), macs=10)
    assert LagrangianPath([hull(curve)], "sum").point(0).thresholds == {"site": (0.0,)}


def test_a_site_that_loses_nothing_computes_its_pattern_only() -> None:
    curve = Curve("site", "site", np.array([-np.inf, 0.0, np.inf]), np.zeros((1, 3)), np.array([[0.0, 4, 5]]), macs=10)
    path = LagrangianPath([hull(curve)], "sum")
    assert path.point(0).thresholds == {"site": (math.inf,)}
    assert path.saved.tolist() == [0.5]


def test_the_budget_of_sites_that_do_not_skip_is_spent_on_the_others(random_curve: Maker) -> None:
    """As if these were the only ones; but the saving is a share of all sites' MACs."""
    generator = np.random.default_rng(0)
    curves = [random_curve(generator, name, rows) for name, rows in (("a", 2), ("b", 1), ("c", 3))]
    hulls = [hull(curve) for curve in curves]
    alone = LagrangianPath([hulls[0], hulls[2]], "sum").point(1.5)
    found = LagrangianPath(hulls, "sum", ["b"]).point(1.5)
    assert found.thresholds == {"a": alone.thresholds["a"], "b": (-math.inf,), "c": alone.thresholds["c"]}
    assert found.error == alone.error > 0
    macs = [curve.macs for curve in curves]
    assert found.mac_saved * sum(macs) == pytest.approx(alone.mac_saved * (macs[0] + macs[2]))
    none = LagrangianPath(hulls, "sum", ["a", "b", "c"]).point(1.5)
    assert (none.error, none.mac_saved, none.thresholds) == (0, 0, dict.fromkeys("abc", (-math.inf,)))
