"""The optimum by measured time: reads hulls and a cost table, gives the operating points from the least error on.

    maximise Σ gain_l(T_l)   subject to   error ≤ ε

over the layers l. What a layer's channels skip for its error is the same as when MACs count, so that it has a path of
its own, on which its time is that of the MACs it saves. It may also compute all outputs, whichever way is fastest. Its
hull is then one of gained time over what it adds to the error, its square where squares add up, and the problem is as
separable as that of `zaponnx.calib.exact`, which solves it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from zaponnx.artifacts import OperatingPoint
from zaponnx.calib.cost_table import SiteCosts
from zaponnx.calib.curves import Curve
from zaponnx.calib.exact import LagrangianPath
from zaponnx.calib.hulls import Hull, hull

_POINTS = 128


class Placed(NamedTuple):
    """An operating point, and the outputs of the sites that are computed in full there, by Winograd's."""

    point: OperatingPoint
    winograd: frozenset[str] = frozenset()


def site_paths(hulls: Sequence[Hull]) -> dict[str, LagrangianPath]:
    """By a site's output, the optima of that site alone: its error as budget, and shares of its MACs."""
    return {each.site: LagrangianPath([each], "sum") for each in hulls}


class TimePath:
    """The optimum of a growing error: at most 128 points, by number, or that of any budget.

    Args:
        hulls: Those of all sites.
        objective: One of `zaponnx.artifacts.OBJECTIVES`.
        paths: Those of `site_paths`.
        costs: The sites' costs.

    Attributes:
        errors: The points' errors, ascending; from one to the next about as much time is gained.
    """

    def __init__(
        self,
        hulls: Sequence[Hull],
        objective: str,
        paths: Mapping[str, LagrangianPath],
        costs: Mapping[str, SiteCosts],
    ) -> None:
        self._paths, self._power = paths, 2 if objective == "output" else 1
        self._hulls = {each.site: each for each in hulls}
        self._in_full = {output for output, cost in costs.items() if cost.in_full_ms > 0}
        weights = {each.site: len(hulls) * each.weight if objective == "output" else 1.0 for each in hulls}
        self._path = LagrangianPath(
            [_hull(output, path, weights[output], self._power, costs[output]) for output, path in paths.items()], "sum"
        )
        levels = np.linspace(self._path.saved[0], self._path.saved[-1], _POINTS)
        steps = np.unique(np.searchsorted(self._path.saved, levels))
        self.errors: list[float] = (self._path.budgets[steps] ** (1 / self._power)).tolist()

    def __len__(self) -> int:
        return len(self.errors)

    def __getitem__(self, number: int) -> Placed:
        return self.at(self.errors[number])

    def at(self, epsilon: float) -> Placed:
        """The operating point for a budget."""
        found = self._path.point(epsilon**self._power * (1 + 1e-12))  # as the root's square may be a little less
        steps = {output: int(*step) for output, step in found.thresholds.items()}
        sites = {
            output: path.point(float(path.budgets[steps[output] - 1]))
            for output, path in self._paths.items()
            if steps[output]
        }
        saved = math.fsum(point.mac_saved * self._hulls[output].macs for output, point in sites.items())
        dense = {output: (-math.inf,) * each.size for output, each in self._hulls.items()}
        point = OperatingPoint(
            epsilon=epsilon,
            error=min(epsilon, found.error ** (1 / self._power)),
            mac_saved=saved / math.fsum(each.macs for each in self._hulls.values()),
            thresholds=dense | {output: point.thresholds[output] for output, point in sites.items()},
        )
        return Placed(point, frozenset(self._in_full - sites.keys()))


def _hull(output: str, path: LagrangianPath, weight: float, power: int, costs: SiteCosts) -> Hull:
    """A site's time over its part of the error; its "thresholds" are 0 in full, else its path's steps from 1."""
    skipping = np.where(path.saved > 0, costs.gain(path.saved), -np.inf)
    gain = np.maximum.accumulate([costs.in_full_ms, *skipping])
    curve = Curve(
        site=output,
        name=output,
        thresholds=np.arange(len(gain), dtype=np.float64),
        error=np.array([[0.0, *weight * path.budgets**power]]),
        saved=gain[None],
        macs=1.0,
    )
    return hull(curve)
