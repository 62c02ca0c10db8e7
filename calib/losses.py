"""How predictors are trained, by the names of `calibrate --training`: the loss, and the optimiser's learning rate.

An output is skipped where its prediction is at most a threshold, so that a loss matters by the order that it gives to
outputs: those whose value is least should come first. docs/calibration.md has what was tried, and what it gained.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of predictions and outputs, (N, M, H, W) each, and the mean of the site's positive outputs, a scalar: all losses."""

_STEEPNESS = 4.0  # logits per unit of the prediction: those that matter are within the paper's thresholds, -1.3 to 1.3


def clamped_square(predictions: Tensor, outputs: Tensor, mean: Tensor) -> Tensor:
    """The paper's: the square of the prediction, clamped to 0..1, less 1 where the output is positive."""
    return (predictions.clamp(0, 1) - (outputs > 0).float()).square()


def missed_value(predictions: Tensor, outputs: Tensor, mean: Tensor) -> Tensor:
    """The logistic loss of telling zeros, where a positive output weighs its value by their mean, and a zero 1.

    Its least expectation is where the logit is log(E[output] / (mean · P(output = 0))): it rises with the value that is
    lost if the output is skipped, and falls with the chance that there is none to lose.
    """
    logits = _STEEPNESS * (predictions - 0.5)
    zeros = (outputs <= 0).float()
    # softplus(logits) is softplus(-logits) + logits: one is enough, and it is what takes the time.
    return (outputs / mean + zeros) * functional.softplus(-logits) + zeros * logits


@dataclass(frozen=True)
class Training:
    """A way to train.

    Attributes:
        loss: What is minimised, by Adam.
        learning_rate: Its learning rate in the first pass over the data.
        falling: Whether it falls from pass to pass, as half a cosine does towards 0.
    """

    loss: Loss
    learning_rate: float
    falling: bool

    def rate(self, epoch: int, epochs: int) -> float:
        """The learning rate in pass `epoch`, from 0, of `epochs`."""
        return self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * epoch / epochs) if self.falling else 1)


TRAININGS = {
    "default": Training(missed_value, 0.03, falling=True),
    "paper": Training(clamped_square, 0.01, falling=False),
}
