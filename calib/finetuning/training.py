"""Trains the weights of an imported model by stochastic gradient descent, its predictors frozen and active."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from zaponnx.calib.data import Batch
from zaponnx.calib.finetuning.losses import Loss
from zaponnx.calib.finetuning.torch_model import TorchModel
from zaponnx.calib.finetuning.weights import STATISTICS
from zaponnx.errors import DataError, InvalidArgument


@dataclass(frozen=True)
class Descent:
    """How to train.

    Attributes:
        epochs: Passes over the data; 0 trains nothing.
        lr: Learning rate.
        weight_decay: L2 penalty.
        momentum: From 0 to below 1.
        falling: Whether the learning rate falls to 0 as half a cosine, or stays.

    Raises:
        InvalidArgument: One of them is out of range.
    """

    epochs: int
    lr: float
    weight_decay: float
    momentum: float
    falling: bool = False

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
    length: int | None = None,
) -> list[float]:
    """Trains a model's weights.

    Statistics of batch norms stay as they are.

    Args:
        model: The model; changed in place.
        loss: What to minimise.
        descent: How.
        epoch: Starts the pass of a number, from 0.
        length: Samples of a pass; None where only a pass can tell: a learning rate that falls does so between passes.

    Returns:
        The mean loss of every epoch, while it was trained.

    Raises:
        DataError: The loss became infinite or not a number.
    """
    parameters = [weight.tensor for weight in model.weights.values() if weight.name not in STATISTICS]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD(parameters, lr=descent.lr, momentum=descent.momentum, weight_decay=descent.weight_decay)
    means = []
    for number in range(descent.epochs):
        total, samples = 0.0, 0
        for batch in epoch(number):
            if descent.falling:
                done = (number + samples / (length or math.inf)) / descent.epochs
                optimizer.param_groups[0]["lr"] = descent.lr * (0.5 + 0.5 * math.cos(math.pi * done))
            value = loss(model(batch.inputs), batch)
            mean = value.item()
            if not math.isfinite(mean):
                remedy = "use a smaller --lr, and check the data"
                raise DataError("finetune", f"the loss becomes {mean} in epoch {number + 1}", remedy=remedy)
            optimizer.zero_grad()
            torch.autograd.backward(value)
            optimizer.step()
            total += mean * batch.size
            samples += batch.size
        means.append(total / samples)
    for parameter in parameters:
        parameter.requires_grad_(False)
    return means
