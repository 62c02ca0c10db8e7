"""The optimal thresholds on the measured curves: reads hulls, gives the operating point for any budget.

    maximise Σ saved_r(T_r)   subject to   Σ error_r(T_r) ≤ ε

over all rows r, the layers or all their channels, is separable. A Lagrange multiplier λ splits it into one problem per
row, max saved(T) − λ·error(T), whose solutions are the corners of the row's hull. Taking all rows' steps from corner to
corner in the order of their slope therefore walks through the optimum of every budget that such a step uses up.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from zaponnx.artifacts import OperatingPoint
from zaponnx.calib.curves import Doubles
from zaponnx.calib.hulls import Hull


class LagrangianPath:
    """The optimum of a growing budget.

    Args:
        hulls: Those of all sites.
        others: The outputs of sites that do not skip; their thresholds are −∞.

    Attributes:
        budgets: float64 (K,), ascending from 0: the budgets that steps use up.
        saved: float64 (K,): the share of all sites' MACs that is skipped at these.
    """

    def __init__(self, hulls: Sequence[Hull], others: Collection[str] = ()) -> None:
        self._hulls, self._others = tuple(hulls), frozenset(others)
        skipping = [hull for hull in hulls if hull.site not in self._others]
        starts = np.cumsum([0, *(hull.size for hull in skipping)])
        empty = [np.zeros(0)]
        rows = np.concatenate([*empty, *(hull.rows + start for hull, start in zip(skipping, starts, strict=False))])
        self._thresholds, error, saved = (
            np.concatenate([*empty, *(getattr(hull, name) for hull in skipping)], dtype=np.float64)
            for name in ("thresholds", "error", "saved")
        )
        self._first = np.flatnonzero(np.diff(rows, prepend=-1))  # each row's first corner, of all corners
        ends = np.flatnonzero(np.diff(rows, prepend=-1) == 0)
        slopes = (saved[ends] - saved[ends - 1]) / (error[ends] - error[ends - 1])
        self._ends = ends[np.argsort(-slopes, kind="stable")]  # the corners that the steps lead to
        self._rows = rows[self._ends].astype(np.intp)
        self.budgets: Doubles = np.cumsum([0.0, *(error[self._ends] - error[self._ends - 1])])
        total = math.fsum(hull.macs for hull in hulls)
        free = math.fsum(saved[self._first])
        self.saved: Doubles = np.cumsum([free, *(saved[self._ends] - saved[self._ends - 1])]) / total

    def point(self, epsilon: float) -> OperatingPoint:
        """The operating point of the last step that a budget allows."""
        taken = int(np.searchsorted(self.budgets, epsilon, side="right")) - 1
        corners = self._first.copy()
        corners[self._rows[:taken]] = self._ends[:taken]  # of a row's several steps the last one counts
        rest = self._thresholds[corners].tolist()
        thresholds: dict[str, tuple[float, ...]] = {}
        for hull in self._hulls:
            skips = hull.site not in self._others
            thresholds[hull.site] = tuple(rest[: hull.size]) if skips else (-math.inf,)
            rest = rest[hull.size :] if skips else rest
        return OperatingPoint(epsilon, float(self.budgets[taken]), float(self.saved[taken]), thresholds)
