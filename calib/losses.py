"""How predictors are trained, by the names of `calibrate --training`: the loss, by its gradient, and the learning rate.

An output is skipped where its prediction is at most a threshold, so that a loss matters by the order that it gives to
outputs: those whose value is least should come first. docs/calibration.md has what was tried, and what it gained.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Gradient = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of predictions and outputs, (N, M, H, W) each, and the mean of the site's positive outputs, a scalar: the slope of
each prediction's loss. Training needs no more than that."""

_STEEPNESS = 4.0  # logits per unit of the prediction: those that matter are within the paper's thresholds, -1.3 to 1.3


def clamped_square(predictions: Tensor, outputs: Tensor, mean: Tensor) -> Tensor:
    """Of the paper's: the square of the prediction, clamped to 0..1, less 1 where the output is positive."""
    slope = torch.sub(predictions, outputs.sign()).mul_(2)
    return slope.masked_fill_((predictions < 0) | (predictions > 1), 0)


def missed_value(predictions: Tensor, outputs: Tensor, mean: Tensor) -> Tensor:
    """Of the logistic loss of telling zeros, where a positive output weighs its value by their mean, and a zero 1.

        softplus(logit) where the output is zero, else output / mean · softplus(-logit)

    Its least expectation is where the logit is log(E[output] / (mean · P(output = 0))): it rises with the value that is
    lost if the output is skipped, and falls with the chance that there is none to lose.
    """
    zeros = torch.rsub(outputs.sign(), 1)  # comparisons take several times as long
    weights = torch.add(zeros, outputs, alpha=float(1 / mean))
    zero_chance = torch.rsub(predictions, 0.5).mul_(_STEEPNESS).sigmoid_()
    return torch.addcmul(zeros, weights, zero_chance, value=-1).mul_(_STEEPNESS)


@dataclass(frozen=True)
class Training:
    """A way to train.

    Attributes:
        gradient: That of what is minimised, by Adam.
        learning_rate: Its learning rate in the first pass over the data.
        falling: Whether it falls from pass to pass, as half a cosine does towards 0.
    """

    gradient: Gradient
    learning_rate: float
    falling: bool

    def rate(self, epoch: int, epochs: int) -> float:
        """The learning rate in pass `epoch`, from 0, of `epochs`."""
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * epoch / epochs) if self.falling else 1)


TRAININGS = {
    "default": Training(missed_value, 0.03, falling=True),
    "paper": Training(clamped_square, 0.01, falling=False),
}
