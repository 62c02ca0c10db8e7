"""What a user may ask for, an error or a saving or what fit chose, and the operating point of a fit that it selects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from zaponnx.artifacts import Fit, OperatingPoint
from zaponnx.errors import InvalidArgument

if TYPE_CHECKING:
    from zaponnx.chosen_point import ChosenPoint


class Selection(NamedTuple):
    """An operating point for a budget.

    Attributes:
        point: The operating point.
        missed: Why it misses the budget, "" if it does not.
        chosen: What fit says of it, if fit chose it.
    """

    point: OperatingPoint
    missed: str = ""
    chosen: ChosenPoint | None = None

    @property
    def winograd(self) -> frozenset[str]:
        """The outputs of the sites that are computed in full, by Winograd's."""
        return frozenset(self.chosen.winograd if self.chosen else ())


@dataclass(frozen=True)
class Budget:
    """Either a limit for the error or a goal for the saving; without both, it is what the fit has chosen.

    Attributes:
        epsilon: The limit for the error of an operating point, as fit adds it up (see `zaponnx.calib.exact`).
        mac_saving: The share of the calibrated sites' MACs to save, 0 to 1.

    Raises:
        InvalidArgument: Both are given, or one is out of range.
    """

    epsilon: float | None
    mac_saving: float | None

    def __post_init__(self) -> None:
        if self.epsilon is not None and self.mac_saving is not None:
            raise InvalidArgument("convert", "an epsilon and a MAC saving are both given", remedy="give one of them")
        if self.epsilon is not None and not 0 <= self.epsilon < math.inf:
            raise InvalidArgument("convert", f"epsilon is {self.epsilon}", remedy="use a number from 0")
        if self.mac_saving is not None and not 0 <= self.mac_saving <= 1:
            raise InvalidArgument("convert", f"the MAC saving is {self.mac_saving}", remedy="use a share from 0 to 1")

    def select(self, fit: Fit) -> Selection:
        """The operating point that fits best.

        For an epsilon that is the last point whose error is not above it, for a saving the first point that reaches
        it. If there is none, it is the nearest one.

        Raises:
            InvalidArgument: No budget is given, and the fit has chosen no point.
        """
        if self.epsilon is not None:
            return _within(fit, self.epsilon)
        if self.mac_saving is not None:
            return _saving(fit, self.mac_saving)
        if fit.chosen is None:
            problem = "no budget is given, and fit was not asked to choose a point"
            raise InvalidArgument("convert", problem, remedy="give an epsilon or a MAC saving, here or to fit")
        return Selection(fit.chosen.point, fit.chosen.missed, fit.chosen)

    def for_tuning(self, point: OperatingPoint) -> float:
        """The error that tuning may spend when it starts from a point."""
        # A point of smoothed curves may cost more than the epsilon that it was made for.
        return max(point.epsilon, point.error) if self.epsilon is None else self.epsilon

    def missed_by_tuned(self, selected: Selection, point: OperatingPoint, ms: float | None) -> str:
        """Why a tuned model misses the goal, "" if it does not; a limit for the error is kept by tuning.

        Args:
            selected: What tuning began with.
            point: The tuned model's operating point.
            ms: Its time; None if it stays dense.
        """
        goal = selected.chosen.goal if selected.chosen else None
        saving = goal.mac_saving if goal else self.mac_saving
        if saving is not None and point.mac_saved < saving:
            return (
                f"the layers that skip save {point.mac_saved:.2%} of the MACs, and not {saving:.2%}: "
                "for the others that is not the fastest"
            )
        if goal and goal.latency is not None and (ms is None or ms > goal.latency):
            took = "it stays dense" if ms is None else f"it takes {ms:.3f} ms"
            return f"a latency of {goal.latency:g} ms was asked for, and {took}"
        return selected.missed if goal and goal.max_drop is not None else ""


def _within(fit: Fit, epsilon: float) -> Selection:
    within = [point for point in fit.points if point.error <= epsilon]
    if within:
        return Selection(within[-1])
    least = min(fit.points, key=lambda point: point.error)
    problem = f"no operating point has an error of {epsilon:g} or less; the smallest is {least.error:g}"
    return Selection(least, problem)


def _saving(fit: Fit, saving: float) -> Selection:
    found = next((point for point in fit.points if point.mac_saved >= saving), None)
    if found is not None:
        return Selection(found)
    best = max(fit.points, key=lambda point: point.mac_saved)
    problem = f"no operating point saves {saving:.2%} of the MACs; the best saves {best.mac_saved:.2%}"
    return Selection(best, problem)
