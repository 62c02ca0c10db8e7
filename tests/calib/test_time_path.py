"""The optimum by time, beside all combinations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from zaponnx.calib.cost_table import SiteCosts
from zaponnx.calib.curves import Curve
from zaponnx.calib.hulls import Hull, hull
from zaponnx.calib.time_path import TimePath, site_paths

OUTPUTS = ("a", "b", "c")


def sites(random_curve: Callable[..., Curve], seed: int) -> list[Hull]:
    generator = np.random.default_rng(seed)
    return [hull(random_curve(generator, output, rows), rows) for rows, output in enumerate(OUTPUTS, start=1)]


def costs(seed: int) -> dict[str, SiteCosts]:
    """Two sites that gain by what they save, one of them also in full, and one that does not."""
    generator = np.random.default_rng(100 + seed)
    gains = {output: np.sort(generator.uniform(-1, 1, 3)) for output in OUTPUTS[:2]} | {"c": -np.ones(3)}
    in_full = {"a": 0.3, "b": 0.0, "c": 0.2}
    return {
        output: SiteCosts(output, 2.0, in_full[output], (0.1, 0.2, 0.5), tuple(map(float, gain)))
        for output, gain in gains.items()
    }


def options(
    each: Hull, cost: SiteCosts, objective: str, count: int
) -> list[tuple[float, float, tuple[float, ...] | None]]:
    """A site's part of the error, what it gains, its thresholds: in full or dense, and at every step of its path."""
    path = site_paths([each])[each.site]
    gains = cost.gain(path.saved)
    found: list[tuple[float, float, tuple[float, ...] | None]] = [(0.0, cost.in_full_ms, None)]
    for budget, saved, gain in zip(path.budgets, path.saved, gains, strict=True):
        if saved == 0:
            continue
        error = count * each.weight * budget**2 if objective == "output" else budget
        found.append((float(error), float(gain), path.point(float(budget)).thresholds[each.site]))
    return found


@pytest.mark.parametrize("objective", ["output", "sum"])
@pytest.mark.parametrize("seed", range(5))
def test_each_point_gains_most_of_what_its_error_allows(
    random_curve: Callable[..., Curve], objective: str, seed: int
) -> None:
    """Among all combinations of the sites' forms; and the points are as many as there are steps."""
    found, costed = sites(random_curve, seed), costs(seed)
    path = TimePath(found, objective, site_paths(found), costed)
    combinations = list(itertools.product(*(options(each, costed[each.site], objective, len(found)) for each in found)))
    assert 1 < len(path) <= 128
    for placed in (path[number] for number in range(len(path))):
        chosen = []
        for each in found:
            thresholds = placed.point.thresholds[each.site]
            assert len(thresholds) == each.size
            skips = placed.point.skips(each.site)
            assert (each.site in placed.winograd) == (not skips and costed[each.site].in_full_ms > 0)
            candidates = options(each, costed[each.site], objective, len(found))
            chosen.append(next(one for one in candidates if one[2] == (thresholds if skips else None)))
        error, gain = (math.fsum(one[index] for one in chosen) for index in (0, 1))
        assert placed.point.error == pytest.approx(math.sqrt(error) if objective == "output" else error, rel=1e-5)
        best = max(
            math.fsum(one[1] for one in combination)
            for combination in combinations
            if math.fsum(one[0] for one in combination) <= error * (1 + 1e-6)
        )
        assert gain == pytest.approx(best, abs=1e-5)


def test_errors_ascend_from_nothing_and_budgets_are_kept(random_curve: Callable[..., Curve]) -> None:
    found, costed = sites(random_curve, 0), costs(0)
    path = TimePath(found, "output", site_paths(found), costed)
    assert path.errors == sorted(set(path.errors))
    assert path.errors[0] == 0
    for epsilon in (0.0, 0.1, 0.5, 1e9):
        point = path.at(epsilon).point
        assert point.epsilon == epsilon
        assert point.error <= epsilon
    assert not path.at(1e9).point.skips("c"), "which is slower skipping"


def test_where_nothing_is_gained_all_stay_dense(random_curve: Callable[..., Curve]) -> None:
    found = sites(random_curve, 0)
    costed = {output: SiteCosts(output, 1.0, 0.0, (0.5,), (-1.0,)) for output in OUTPUTS}
    path = TimePath(found, "output", site_paths(found), costed)
    assert len(path) == 1
    assert path[0].winograd == frozenset()
    assert {value for values in path[0].point.thresholds.values() for value in values} == {-math.inf}
