"""Trains the weights of an imported model by stochastic gradient descent, its predictors frozen and active."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zaponnx.calib.data import Batch
from zaponnx.calib.finetuning.losses import Loss
from zaponnx.calib.finetuning.torch_model import TorchModel
from zaponnx.calib.finetuning.weights import STATISTICS
from zaponnx.errors import DataError, InvalidArgument

_EMPHASIS = 3  # on later steps, in a mean


class MeanWeights:
    """The mean of parameters over the steps of a training, in which later ones weigh more.

    By about their number to the power of three: polynomial-decay averaging (Shamir and Zhang, 2013). It is float64, as
    what a step of a long training adds to it is less than float32 resolves.

    Args:
        parameters: What is trained.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = parameters
        self._means = [parameter.detach().to(torch.float64, copy=True) for parameter in parameters]
        self._steps = 0

    def add(self) -> None:
        """Counts the parameters after another step in."""
        self._steps += 1
        share = (_EMPHASIS + 1) / (_EMPHASIS + self._steps)
        for mean, parameter in zip(self._means, self._parameters, strict=True):
            mean.lerp_(parameter.detach().double(), share)

    @torch.no_grad()
    def put(self) -> None:
        """Sets the parameters to their means."""
        for mean, parameter in zip(self._means, self._parameters, strict=True):
            parameter.copy_(mean)


@dataclass(frozen=True)
class Descent:
    """How to train.

    Attributes:
        epochs: Passes over the data; 0 trains nothing.
        lr: Learning rate.
        weight_decay: L2 penalty.
        momentum: From 0 to below 1.
        averaged: Whether the result is the mean of the weights over all steps, see `MeanWeights`, or what the last step
            leaves.

    Raises:
        InvalidArgument: One of them is out of range.
    """

    epochs: int
    lr: float
    weight_decay: float
    momentum: float
    averaged: bool

    def __post_init__(self) -> None:
        legal = {
            "epochs": (self.epochs >= 0, "from 0"),
            "lr": (0 <= self.lr < math.inf, "from 0"),
            "weight_decay": (0 <= self.weight_decay < math.inf, "from 0"),
            "momentum": (0 <= self.momentum < 1, "from 0 to below 1"),
        }
        for name, (right, interval) in legal.items():
            if not right:
                raise InvalidArgument("finetune", f"{name} is {getattr(self, name)}", remedy=f"use a number {interval}")


def train(
    model: TorchModel,
    loss: Loss,
    descent: Descent,
    epoch: Callable[[int], Iterable[Batch]],
) -> list[float]:
    """Trains a model's weights.

    Statistics of batch norms stay as they are.

    Args:
        model: The model; changed in place.
        loss: What to minimise.
        descent: How.
        epoch: Starts the pass of a number, from 0.

    Returns:
        The mean loss of every epoch, while it was trained, so none is that of averaged weights.

    Raises:
        DataError: The loss became infinite or not a number.
    """
    parameters = [weight.tensor for weight in model.weights.values() if weight.name not in STATISTICS]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD(parameters, lr=descent.lr, momentum=descent.momentum, weight_decay=descent.weight_decay)
    mean_weights = MeanWeights(parameters) if descent.averaged else None
    means = []
    for number in range(descent.epochs):
        total, samples = 0.0, 0
        for batch in epoch(number):
            value = loss(model(batch.inputs), batch)
            mean = value.item()
            if not math.isfinite(mean):
                remedy = "use a smaller --lr, and check the data"
                raise DataError("finetune", f"the loss becomes {mean} in epoch {number + 1}", remedy=remedy)
            optimizer.zero_grad()
            torch.autograd.backward(value)
            optimizer.step()
            if mean_weights:
                mean_weights.add()
            total += mean * batch.size
            samples += batch.size
        means.append(total / samples)
    if mean_weights:
        mean_weights.put()
    for parameter in parameters:
        parameter.requires_grad_(False)
    return means
