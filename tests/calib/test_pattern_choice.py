"""The choice of a pattern for each site."""

from __future__ import annotations

import numpy as np

from zaponnx.artifacts import MAGNITUDES, Predictor, SiteCalibration
from zaponnx.calib.pattern_choice import with_best_patterns
from zaponnx.patterns import Pattern

EDGES = np.array([0.0, 1.0], np.float32)
B, D = Pattern.parse("B"), Pattern.parse("D")


def site(output: str, counts: list[int], values: list[float]) -> SiteCalibration:
    """A channel with a hundred outputs whose sum is 100, and what lies in its three bins."""
    weight, bias = np.zeros((1, 1, 3, 3), np.float32), np.zeros(1, np.float32)
    found, sums = np.array([counts], np.int64), np.array([values], np.float64)
    magnitudes = np.zeros((MAGNITUDES, 3), np.int64)
    magnitudes[0] = found[0]
    predictor = Predictor(weight, bias, weight, bias)
    return SiteCalibration(output, output, 1, 9, predictor, found, sums, 100.0, 100, 1, magnitudes)


def test_each_site_gets_the_pattern_that_saves_most_where_a_tenth_of_its_sum_is_lost() -> None:
    """D skips more in the end, but of the first site's outputs it has fewer that are worth little."""
    with_b = [site("first", [40, 5, 5], [0, 8, 40]), site("second", [20, 10, 20], [0, 5, 50])]
    with_d = [site("first", [30, 5, 31], [0, 8, 60]), site("second", [40, 10, 16], [0, 5, 60])]
    chosen = with_best_patterns([B, D], [with_b, with_d], EDGES)
    assert [(each.output, each.pattern) for each in chosen] == [("first", None), ("second", D)]
    assert chosen[1].counts is with_d[1].counts
    assert [each.pattern for each in with_best_patterns([D, B], [with_d, with_b], EDGES)] == [B, None]


def test_equal_sites_get_the_first_pattern() -> None:
    equal = [site("only", [20, 10, 20], [0, 5, 50])]
    assert with_best_patterns([D, B], [equal, equal], EDGES)[0].pattern is None
