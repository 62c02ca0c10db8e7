"""The optimal thresholds on the measured curves: reads curves, gives one threshold per site for any budget.

    maximise Σ saved_l(T_l)   subject to   Σ error_l(T_l) ≤ ε

is separable. A Lagrange multiplier λ splits it into one problem per site, max saved(T) − λ·error(T), whose solutions
are the corners of the upper concave hull of (error, saved). Taking all sites' hull edges in the order of their slope
therefore walks through the optimum of every budget that such a corner uses up. What is left of a budget between two
corners is filled with the step that saves most among those that still fit, on a hull or not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zaponnx.calib.curves import Curve, Doubles

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, order=True)
class _HullEdge:
    """A step from one hull corner of a site to the next; steeper ones sort first."""

    slope: float  # negated
    site: int
    end: int  # the candidate that it leads to
    error: float
    saved: float


@dataclass(frozen=True)
class _Candidates:
    """A site's thresholds worth choosing: from the best without error, each skips more than the one before."""

    indices: Indices
    error: Doubles
    saved: Doubles


class LagrangianPath:
    """The optimum of a growing budget.

    Args:
        curves: The sites' curves.

    Attributes:
        budgets: float64 (K,), ascending from 0: the budgets that hull corners use up.
        saved: float64 (K,), MACs skipped per sample at these.
    """

    def __init__(self, curves: Sequence[Curve]) -> None:
        self._curves = tuple(curves)
        self._candidates = tuple(map(_candidates, curves))
        edges = sorted(edge for site, found in enumerate(self._candidates) for edge in _hull_edges(site, found))
        self._steps = [(edge.site, edge.end) for edge in edges]
        free = math.fsum(float(found.saved[0]) for found in self._candidates)
        self.budgets: Doubles = np.cumsum([0.0, *(edge.error for edge in edges)])
        self.saved: Doubles = np.cumsum([free, *(edge.saved for edge in edges)])

    def thresholds(self, epsilon: float) -> list[float]:
        """One threshold per site whose errors add up to at most `epsilon`."""
        chosen = [0] * len(self._curves)
        # Less than epsilon by what adding up the errors in another order may round.
        allowed = epsilon * (1 - 1e-12)
        taken = int(np.searchsorted(self.budgets, allowed, side="right")) - 1
        for site, candidate in self._steps[:taken]:
            chosen[site] = candidate
        self._fill(chosen, allowed)
        return [
            float(curve.thresholds[candidate.indices[choice]])
            for curve, candidate, choice in zip(self._curves, self._candidates, chosen, strict=True)
        ]

    def _fill(self, chosen: list[int], allowed: float) -> None:
        """Moves single sites on as long as that fits, the one that saves most first."""
        while True:
            used = math.fsum(float(c.error[choice]) for c, choice in zip(self._candidates, chosen, strict=True))
            best, best_site, best_choice = 0.0, -1, -1
            for site, (candidate, choice) in enumerate(zip(self._candidates, chosen, strict=True)):
                limit = candidate.error[choice] + allowed - used
                reach = int(np.searchsorted(candidate.error, limit, side="right")) - 1
                gain = float(candidate.saved[reach] - candidate.saved[choice])
                if reach > choice and gain > best:
                    best, best_site, best_choice = gain, site, reach
            if best_site < 0:
                return
            chosen[best_site] = best_choice


def _candidates(curve: Curve) -> _Candidates:
    """Drops thresholds that save no more than a lower one, and those below the best one without error."""
    saves_more = np.concatenate([[True], curve.saved[1:] > curve.saved[:-1]])
    indices = np.flatnonzero(saves_more)
    free = np.flatnonzero(curve.error[indices] == 0)[-1]
    indices = indices[free:]
    return _Candidates(indices, curve.error[indices], curve.saved[indices])


def _hull_edges(site: int, candidates: _Candidates) -> list[_HullEdge]:
    """The edges of the upper concave hull of (error, saved), from the first candidate to the last."""
    corners: list[int] = []
    for point in range(len(candidates.indices)):
        while len(corners) >= 2 and _below(candidates, corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    edges = []
    for start, end in itertools.pairwise(corners):
        error = float(candidates.error[end] - candidates.error[start])
        saved = float(candidates.saved[end] - candidates.saved[start])
        edges.append(_HullEdge(-saved / error, site, end, error, saved))
    return edges


def _below(candidates: _Candidates, start: int, middle: int, end: int) -> bool:
    """Whether `middle` is on or below the line from `start` to `end`."""
    error, saved = candidates.error, candidates.saved
    rise = (saved[middle] - saved[start]) * (error[end] - error[start])
    return bool(rise <= (saved[end] - saved[start]) * (error[middle] - error[start]))
