"""The losses of training, by their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from zaponnx.calib.losses import _STEEPNESS, TRAININGS, clamped_square, missed_value

MEAN = torch.tensor(0.7)
PREDICTIONS = torch.linspace(-2, 3, 51, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("value", [0.0, 0.2, 3.0])
def test_gradients_are_those_of_the_losses(value: float) -> None:
    logits = _STEEPNESS * (PREDICTIONS - 0.5)
    logistic = functional.softplus(-logits) * value / MEAN if value else functional.softplus(logits)
    square = (PREDICTIONS.clamp(0, 1) - float(value > 0)).square()
    outputs = torch.full_like(PREDICTIONS, value, requires_grad=False)
    for loss, gradient in ((logistic, missed_value), (square, clamped_square)):
        (expected,) = torch.autograd.grad(loss.sum(), PREDICTIONS)
        torch.testing.assert_close(gradient(PREDICTIONS.detach(), outputs, MEAN), expected, rtol=1e-6, atol=1e-7)


def test_the_least_expected_loss_is_where_the_odds_are_those_of_the_value_to_the_zeros() -> None:
    """Of outputs that cannot be told apart: their mean is 1, and half of them are zero."""
    outputs = torch.tensor([0.0, 3.0, 0.0, 1.0], dtype=torch.float64)
    least = torch.full_like(outputs, math.log(1 / 0.7 / 0.5) / _STEEPNESS + 0.5)
    assert float(missed_value(least, outputs, MEAN.double()).sum()) == pytest.approx(0, abs=1e-6)


def test_losses_do_not_depend_on_the_outputs_scale() -> None:
    outputs, predictions = torch.tensor([0.0, 0.2, 5.0]), torch.tensor([0.1, 0.4, 0.9])
    for training in TRAININGS.values():
        scaled = training.gradient(predictions, outputs * 1000, MEAN * 1000)
        torch.testing.assert_close(scaled, training.gradient(predictions, outputs, MEAN))
