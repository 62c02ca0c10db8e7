"""The refining of the predictors: reads samples, changes the predictors by what they do to the network's output.

The network is frozen and no label is used: what the predictors learn from is the network's own output with everything
computed. A step takes some samples at one of several operating points, which are the optima of the calibration before,
and minimises the divergence of the outputs, by its running mean at the point, less λ times the share of the MACs that
is saved; λ, one per point, rises where less than the point's is saved and falls where more is. So every point keeps its
budget, and loses less.

A step's samples may come in parts and be shared by processes: gradients and sums add up.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from zaponnx.artifacts import Calibration, OperatingPoint, Predictor
from zaponnx.calib.data import Batch
from zaponnx.calib.distributed import ALONE, ProcessGroup
from zaponnx.calib.divergence import divergence
from zaponnx.calib.fitting import exact_points
from zaponnx.calib.hulls import hulls
from zaponnx.calib.learning import LearningNetwork, RefiningError
from zaponnx.progress import Progress, silent

STEP_SAMPLES = 32
"""Samples per step."""

_POINTS = 6
_SAVINGS = (0.45, 0.84)  # of what the patterns alone save: the points lie between
_RATE, _BETAS = 0.01, (0.9, 0.99)
_KEPT = 0.9  # of a running mean
_TINY = 1e-9
_PRICE = 15.0  # λ at the start
_PRICE_STEP = 10.0  # what λ changes by where no MACs are saved and all should be


def training_points(calibration: Calibration) -> list[OperatingPoint]:
    """The operating points to refine predictors at, by ascending saving.

    Raises:
        RefiningError: There are none, since the pattern leaves nothing to skip.
    """
    points = exact_points(hulls(calibration, "channel"), "output")
    most = points[-1].mac_saved
    if not most > 0:
        raise RefiningError("the pattern leaves nothing to skip")
    goals = np.linspace(*_SAVINGS, _POINTS) * most
    return [min(points, key=lambda point: abs(point.mac_saved - goal)) for goal in goals]


class Refiner:
    """Refines the predictors of all sites together.

    Args:
        network: The network with the predictors.
        calibration: That they are of.
        steps: How many to take.
        seed: Of the points' order.
        group: The processes that share the samples.
        progress: Told about steps.

    Attributes:
        steps: As given.
        taken: Those that were taken.

    Raises:
        RefiningError: The calibration has no points to refine at.
    """

    def __init__(
        self,
        network: LearningNetwork,
        calibration: Calibration,
        steps: int,
        seed: int,
        group: ProcessGroup = ALONE,
        progress: Progress = silent,
    ) -> None:
        self._model, self._layers = network.model, network.layers
        self._fixed_batch = network.fixed_batch
        self.steps = steps
        self._seed = seed
        self._group = group
        self._progress = progress
        self._outputs = [site.output for site in calibration.sites]
        self._points = training_points(calibration)
        macs = math.fsum(site.macs for site in calibration.sites)
        self._shares = [site.macs / macs for site in calibration.sites]
        self._parameters = [parameter for layer in self._layers for parameter in layer.changes.values()]
        self._optimizer = torch.optim.Adam(self._parameters, lr=_RATE, betas=_BETAS, foreach=True)
        self._prices = [_PRICE] * len(self._points)
        self._means: list[float | None] = [None] * len(self._points)  # of the divergence
        self.taken = 0
        # Since the last step: samples; gradients of distance and of what is saved; distance, its scale, what is saved.
        self._added = 0
        size = sum(parameter.numel() for parameter in self._parameters)
        self._gradients = torch.zeros(2, size, device=self._parameters[0].device)
        self._sums = torch.zeros(3, dtype=torch.float64)

    @property
    def done(self) -> bool:
        """Whether all steps were taken."""
        return self.taken >= self.steps

    def add(self, batch: Batch | None, count: int) -> None:
        """Learns from samples; the STEP_SAMPLES-th ends a step.

        Args:
            batch: This process's samples, None if it has none.
            count: All processes' samples, no more than the step has room for.

        Raises:
            RefiningError: As in `step`.
        """
        if batch is not None:
            self._add_gradients(batch)
        self._added += count
        if self._added == STEP_SAMPLES:
            self.step()

    def _add_gradients(self, batch: Batch) -> None:
        """Adds up what the samples contribute."""
        self._set_thresholds(self._points[self._point()])
        size = self._fixed_batch or batch.size
        for start in range(0, batch.size, size):
            count = min(size, batch.size - start)
            # Samples that are there again fill the last run of a model that prescribes its batch.
            inputs = batch.take(np.arange(start, start + size) % batch.size).inputs
            self._model.predict(active=False)
            with torch.no_grad():
                reference = self._model(inputs)
            self._model.predict(active=True)
            outputs = self._model(inputs)
            if count < size:
                reference, outputs = reference[:count], outputs[:count]
            distance, scale = divergence(reference, outputs)
            layers = zip(self._shares, self._layers, strict=True)
            saved = torch.stack([share * (1 - layer.share[:count]).sum() for share, layer in layers]).sum()
            distance = distance + 0 * saved  # which the output need not depend on
            for index, value in enumerate((distance, saved)):
                found = torch.autograd.grad(value, self._parameters, retain_graph=not index, materialize_grads=True)
                self._gradients[index] += torch.cat([each.flatten() for each in found])
            self._sums += torch.stack([each.detach().double().cpu() for each in (distance, scale, saved)])

    def _point(self) -> int:
        """The step's operating point."""
        return int(np.random.default_rng([self._seed, self.taken]).integers(len(self._points)))

    def _set_thresholds(self, point: OperatingPoint) -> None:
        for output, layer in zip(self._outputs, self._layers, strict=True):
            thresholds = torch.tensor(point.thresholds[output], dtype=torch.float32)
            layer.threshold = thresholds.reshape(1, -1, 1, 1).to(layer.threshold.device)

    def step(self) -> None:
        """A step on the samples added since the last one, if there are any.

        Raises:
            RefiningError: The network's output is not finite.
        """
        if not self._added:
            return
        distance, scale, saved = self._group.sum(self._sums).tolist()
        gradients = self._group.sum(self._gradients)
        if not (math.isfinite(distance) and math.isfinite(scale) and gradients.isfinite().all()):
            raise RefiningError("the network's output has NaN or infinite values, or its gradient has")
        scale = scale or 1.0  # an output of zeros
        number = self._point()
        before, now = self._means[number], distance / scale
        mean = now if before is None else _KEPT * before + (1 - _KEPT) * now
        slopes = (1 / (max(mean, _TINY) * scale), -self._prices[number] / self._added)
        total = slopes[0] * gradients[0] + slopes[1] * gradients[1]
        parts = torch.split(total, [parameter.numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        for settings in self._optimizer.param_groups:
            settings["lr"] = _RATE * (0.5 + 0.5 * math.cos(math.pi * self.taken / self.steps))
        self._optimizer.step()
        missing = self._points[number].mac_saved - saved / self._added
        self._prices[number] = max(0.0, self._prices[number] + _PRICE_STEP * missing)
        self._means[number] = mean
        self.taken += 1
        self._added = 0
        self._gradients.zero_()
        self._sums.zero_()
        self._progress("refining the predictors", self.taken, self.steps)

    def predictors(self) -> list[Predictor]:
        """The predictors as refined so far.

        Raises:
            RefiningError: One of them is not finite.
        """
        predictors = [layer.learned() for layer in self._layers]
        if not all(np.isfinite(array).all() for predictor in predictors for array in vars(predictor).values()):
            raise RefiningError("the predictors become infinite")
        return predictors

    def state_dict(self) -> dict[str, Any]:
        """All that refining has changed, the step that is under way included; to be called by all processes."""
        return {
            "parameters": [parameter.detach() for parameter in self._parameters],
            "optimizer": self._optimizer.state_dict(),
            "prices": list(self._prices),
            "means": list(self._means),
            "taken": self.taken,
            "added": self._added,
            "gradients": self._group.gather(self._gradients),
            "sums": self._group.gather(self._sums),
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` gave in as many processes."""
        for parameter, value in zip(self._parameters, state["parameters"], strict=True):
            parameter.copy_(value)
        self._optimizer.load_state_dict(state["optimizer"])
        self._prices, self._means = list(state["prices"]), list(state["means"])
        self.taken, self._added = state["taken"], state["added"]
        self._gradients.copy_(state["gradients"][self._group.rank])
        self._sums.copy_(state["sums"][self._group.rank])
