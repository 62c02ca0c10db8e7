"""The refining of the predictors: reads samples, changes the predictors by what they do to the network's output.

The network is frozen and no label is used: what the predictors learn from is the network's own output with everything
computed. A step takes some samples at one of several operating points, which are optima of the calibration before,
and minimises the divergence of the outputs, by its running mean at the point, less λ times the share of the MACs that
is saved; λ, one per point, rises where less than the point's is saved and falls where more is. So every point keeps its
budget, and loses less.

A step's samples may come in parts and be shared by processes: gradients and sums add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from zaponnx.artifacts import Calibration, Predictor
from zaponnx.calib.data import Batch
from zaponnx.calib.distributed import ALONE, ProcessGroup
from zaponnx.calib.divergence import divergence
from zaponnx.calib.fitting import exact_points
from zaponnx.calib.hulls import hulls
from zaponnx.calib.learning import LearningNetwork, RefiningError
from zaponnx.calib.refining_points import divergences, nearest, refining_points
from zaponnx.progress import Progress, silent

STEP_SAMPLES = 32
"""Samples per step."""

_RATE, _BETAS = 0.005, (0.9, 0.99)
_KEPT = 0.9  # of a running mean
_TINY = 1e-9
_PRICE = 15.0  # λ at the start
_PRICE_STEP = 10.0  # what λ changes by where no MACs are saved and all should be


class Refiner:
    """Refines the predictors of all sites together.

    Args:
        network: The network with the predictors.
        calibration: That they are of.
        held_out: Samples that are not learned from: the operating points are chosen, and what is gained is measured,
            on them.
        steps: How many to take.
        seed: Of the points' order.
        group: The processes that share the samples.
        progress: Told about steps.

    Attributes:
        steps: As given.
        taken: Those that were taken.

    Raises:
        RefiningError: The calibration has no points to refine at, or the network's output is not finite.
    """

    def __init__(
        self,
        network: LearningNetwork,
        calibration: Calibration,
        held_out: Sequence[Batch],
        steps: int,
        seed: int,
        group: ProcessGroup = ALONE,
        progress: Progress = silent,
    ) -> None:
        self._network = network
        self._held_out = held_out
        self.steps = steps
        self._seed = seed
        self._group = group
        self._progress = progress
        self._before = refining_points(network, calibration, held_out, group, progress)
        macs = math.fsum(site.macs for site in calibration.sites)
        self._shares = [site.macs / macs for site in calibration.sites]
        self._parameters = [change for layer in network.layers.values() for change in layer.changes.values()]
        self._optimizer = torch.optim.Adam(self._parameters, lr=_RATE, betas=_BETAS, foreach=True)
        self._means = self._before.divergences.tolist()
        self._prices = [_PRICE] * len(self._means)
        self.taken = 0
        # Since the last step: samples; the gradient of their loss; their divergence, and what is saved.
        self._added = 0
        size = sum(parameter.numel() for parameter in self._parameters)
        self._gradient = torch.zeros(size, device=self._parameters[0].device)
        self._sums = torch.zeros(2, dtype=torch.float64)

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
            self._add_gradient(batch)
        self._added += count
        if self._added == STEP_SAMPLES:
            self.step()

    def _add_gradient(self, batch: Batch) -> None:
        """Adds up what the samples contribute."""
        number = self._number()
        for inputs, count in self._network.runs(batch):
            reference = self._network.dense(inputs)[:count]
            outputs = self._network.skipping(inputs, self._before.points[number])[:count]
            distance = divergence(reference, outputs)[0] / self._before.unit
            layers = zip(self._shares, self._network.layers.values(), strict=True)
            saved = torch.stack([share * (1 - layer.share[:count]).sum() for share, layer in layers]).sum()
            loss = distance / max(self._means[number], _TINY) - self._prices[number] * saved
            found = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
            self._gradient += torch.cat([each.flatten() for each in found])
            self._sums += torch.stack([each.detach().double().cpu() for each in (distance, saved)])

    def _number(self) -> int:
        """Of the step's operating point."""
        return int(np.random.default_rng([self._seed, self.taken]).integers(len(self._before.points)))

    def step(self) -> None:
        """A step on the samples added since the last one, if there are any.

        Raises:
            RefiningError: The network's output is not finite.
        """
        if not self._added:
            return
        distance, saved = (self._group.sum(self._sums) / self._added).tolist()
        gradient = self._group.sum(self._gradient) / self._added
        if not (math.isfinite(distance) and gradient.isfinite().all()):
            raise RefiningError("the network's output has NaN or infinite values, or its gradient has")
        parts = torch.split(gradient, [parameter.numel() for parameter in self._parameters])
        for parameter, part in zip(self._parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        for settings in self._optimizer.param_groups:
            settings["lr"] = _RATE * (0.5 + 0.5 * math.cos(math.pi * self.taken / self.steps))
        self._optimizer.step()
        number = self._number()
        missing = self._before.points[number].mac_saved - saved
        self._prices[number] = max(0.0, self._prices[number] + _PRICE_STEP * missing)
        self._means[number] = _KEPT * self._means[number] + (1 - _KEPT) * distance
        self.taken += 1
        self._added = 0
        self._gradient.zero_()
        self._sums.zero_()
        self._progress("refining the predictors", self.taken, self.steps)

    def predictors(self) -> list[Predictor]:
        """The predictors as refined so far.

        Raises:
            RefiningError: One of them is not finite.
        """
        predictors = [layer.learned() for layer in self._network.layers.values()]
        if not all(np.isfinite(array).all() for predictor in predictors for array in vars(predictor).values()):
            raise RefiningError("the predictors become infinite")
        return predictors

    def gain(self, refined: Calibration) -> float:
        """How much nearer the held-out samples' outputs have come, nearest to the points' savings: the mean log ratio.

        Args:
            refined: A calibration of the refined predictors.

        Raises:
            RefiningError: An output is not finite.
        """
        savings = [point.mac_saved for point in self._before.points]
        points = nearest(exact_points(hulls(refined, "channel"), "output"), savings)
        after, _ = divergences(self._network, points, self._held_out, self._group)
        return float(np.mean(np.log(self._before.divergences / after)))

    def state_dict(self) -> dict[str, Any]:
        """All that refining has changed, the step that is under way included; to be called by all processes."""
        return {
            "parameters": [parameter.detach() for parameter in self._parameters],
            "optimizer": self._optimizer.state_dict(),
            "prices": list(self._prices),
            "means": list(self._means),
            "taken": self.taken,
            "added": self._added,
            "gradient": self._group.gather(self._gradient),
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
        self._gradient.copy_(state["gradient"][self._group.rank])
        self._sums.copy_(state["sums"][self._group.rank])
