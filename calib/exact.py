"""The optimal thresholds on the measured curves: reads hulls, gives the operating point for any budget.

    maximise Σ saved_r(T_r)   subject to   error ≤ ε

over all rows r, the layers or all their channels. With the objective "sum" the error is that of the paper, Σ error_l
over the L layers l. With "output" it is √(L · Σ w_l · error_l²): what layers lose is nearly independent, so that it
adds up in the model's outputs by its squares, and w_l says how much that of a layer matters there (`output_errors`).
Both are equal where all layers lose and matter the same.

The problem is separable: a Lagrange multiplier splits it into one problem per row, whose solutions are the corners of
the row's hull. Taking all rows' steps from corner to corner in the order of what they save for what they cost therefore
walks through the optimum of every budget that such a step uses up. The squares raise what a layer's steps cost, the
later ones by more, which does not change their order within the layer; with them, the optimum is met up to a step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.artifacts import OperatingPoint, decimals
from zaponnx.calib.curves import Doubles
from zaponnx.calib.hulls import Hull


class LagrangianPath:
    """The optimum of a growing budget.

    Args:
        hulls: Those of all sites.
        objective: One of `zaponnx.artifacts.OBJECTIVES`.
        others: The outputs of sites that do not skip; their thresholds are −∞.

    Attributes:
        budgets: float64 (K,), ascending from 0: the budgets that steps use up.
        saved: float64 (K,): the share of all sites' MACs that is skipped at these.
    """

    def __init__(self, hulls: Sequence[Hull], objective: str, others: Collection[str] = ()) -> None:
        self._hulls, self._others = tuple(hulls), frozenset(others)
        skipping = [hull for hull in hulls if hull.site not in self._others]
        sites = np.repeat(np.arange(len(skipping)), [len(hull.rows) for hull in skipping])  # of every corner
        first_rows = np.cumsum([0, *(hull.size for hull in skipping)])
        rows = _joined([hull.rows for hull in skipping]).astype(np.intp) + first_rows[sites]
        self._thresholds = _joined([decimals(hull.thresholds) for hull in skipping])
        error, saved = (_joined([getattr(hull, name) for hull in skipping]) for name in ("error", "saved"))
        begins = np.diff(rows, prepend=-1) > 0
        self._first = np.flatnonzero(begins)  # each row's first corner
        ends = np.flatnonzero(~begins)  # the corner that each step leads to
        cost, gain = error[ends] - error[ends - 1], saved[ends] - saved[ends - 1]
        if objective == "output":
            order = np.lexsort((-gain / cost, sites[ends]))
            ends, cost, gain = ends[order], cost[order], gain[order]
            weights = len(hulls) * np.array([hull.weight for hull in skipping])[sites[ends]]
            cost *= weights * (2 * _summed_by(sites[ends], cost) - cost)  # w · (after² − before²)
        order = np.argsort(-gain / cost, kind="stable")
        self._ends = ends[order]
        self._rows = rows[self._ends]
        total = np.cumsum([0.0, *cost[order]])
        self.budgets: Doubles = np.sqrt(total) if objective == "output" else total
        free = math.fsum(saved[self._first])
        self.saved: Doubles = np.cumsum([free, *gain[order]]) / math.fsum(hull.macs for hull in hulls)

    def point(self, epsilon: float) -> OperatingPoint:
        """The operating point of the last step that a budget allows."""
        taken = int(np.searchsorted(self.budgets, epsilon, side="right")) - 1
        corners = self._first.copy()
        np.maximum.at(corners, self._rows[:taken], self._ends[:taken])
        chosen = iter(self._thresholds[corners].tolist())
        thresholds = {
            hull.site: (-math.inf,) if hull.site in self._others else tuple(itertools.islice(chosen, hull.size))
            for hull in self._hulls
        }
        return OperatingPoint(epsilon, float(self.budgets[taken]), float(self.saved[taken]), thresholds)


def _joined(arrays: Sequence[npt.NDArray[Any]]) -> Doubles:
    return np.concatenate([np.zeros(0), *arrays])


def _summed_by(groups: npt.NDArray[np.intp], values: Doubles) -> Doubles:
    """Each group's running sum of non-negative values; the groups ascend."""
    total = np.cumsum(values)
    before = np.where(np.diff(groups, prepend=-1) > 0, total - values, 0.0)
    running: Doubles = total - np.maximum.accumulate(before)
    return running
