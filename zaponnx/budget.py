"""What a user may ask for, an error or a saving, and the operating point of a fit that it selects."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zaponnx.artifacts import Fit, OperatingPoint
from zaponnx.errors import InvalidArgument


@dataclass(frozen=True)
class Budget:
    """Either a limit for the error or a goal for the saving.

    Attributes:
        epsilon: The limit for the error of an operating point, as fit adds it up (see `zaponnx.calib.exact`).
        mac_saving: The share of the calibrated sites' MACs to save, 0 to 1.

    Raises:
        InvalidArgument: Not exactly one of them is given, or one is out of range.
    """

    epsilon: float | None
    mac_saving: float | None

    def __post_init__(self) -> None:
        if self.epsilon is None and self.mac_saving is None:
            raise InvalidArgument("convert", "no budget is given", remedy="give an epsilon or a MAC saving")
        if self.epsilon is not None and self.mac_saving is not None:
            raise InvalidArgument("convert", "an epsilon and a MAC saving are both given", remedy="give one of them")
        if self.epsilon is not None and not 0 <= self.epsilon < math.inf:
            raise InvalidArgument("convert", f"epsilon is {self.epsilon}", remedy="use a number from 0")
        if self.mac_saving is not None and not 0 <= self.mac_saving <= 1:
            raise InvalidArgument("convert", f"the MAC saving is {self.mac_saving}", remedy="use a share from 0 to 1")

    def select(self, fit: Fit) -> tuple[OperatingPoint, str]:
        """The operating point that fits best, and why it misses the budget, "" if it does not.

        For an epsilon that is the last point whose error is not above it, for a saving the first point that reaches
        it. If there is none, it is the nearest one.
        """
        if self.mac_saving is not None:
            found = next((point for point in fit.points if point.mac_saved >= self.mac_saving), None)
            if found is not None:
                return found, ""
            best = max(fit.points, key=lambda point: point.mac_saved)
            problem = f"no operating point saves {self.mac_saving:.2%} of the MACs; the best saves {best.mac_saved:.2%}"
            return best, problem
        within = [point for point in fit.points if self.epsilon is None or point.error <= self.epsilon]
        if within:
            return within[-1], ""
        least = min(fit.points, key=lambda point: point.error)
        return least, f"no operating point has an error of {self.epsilon:g} or less; the smallest is {least.error:g}"

    def for_tuning(self, point: OperatingPoint) -> float:
        """The error that tuning may spend when it starts from a point."""
        # A point of smoothed curves may cost more than the epsilon that it was made for.
        return max(point.epsilon, point.error) if self.epsilon is None else self.epsilon

    def missed_by_tuned(self, point: OperatingPoint) -> str:
        """Why a tuned model misses the goal, "" if it does not; the limit is kept by tuning."""
        if self.mac_saving is None or point.mac_saved >= self.mac_saving:
            return ""
        return (
            f"the layers that skip save {point.mac_saved:.2%} of the MACs, and not {self.mac_saving:.2%}: "
            "for the others that is not the fastest"
        )
