"""The losses of training."""

from __future__ import annotations

import math

import pytest
import torch

from zaponnx.calib.losses import _STEEPNESS, TRAININGS, missed_value

MEAN = torch.tensor(0.7)


def test_the_least_expected_loss_is_where_the_odds_are_those_of_the_value_to_the_zeros() -> None:
    """Of outputs that cannot be told apart: their mean is 1, and half of them are zero."""
    outputs = torch.tensor([0.0, 3.0, 0.0, 1.0])
    predictions = torch.linspace(-2, 3, 50_001, dtype=torch.float64)
    losses = sum(missed_value(predictions, each.double(), MEAN.double()) for each in outputs)
    least = float(predictions[losses.argmin()])
    assert _STEEPNESS * (least - 0.5) == pytest.approx(math.log(1 / 0.7 / 0.5), abs=1e-3)


def test_losses_do_not_depend_on_the_outputs_scale() -> None:
    outputs, predictions = torch.tensor([0.0, 0.2, 5.0]), torch.tensor([0.1, 0.4, 0.9])
    for training in TRAININGS.values():
        scaled = training.loss(predictions, outputs * 1000, MEAN * 1000)
        torch.testing.assert_close(scaled, training.loss(predictions, outputs, MEAN))
