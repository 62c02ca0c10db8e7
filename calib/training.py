"""The training of the predictors: reads the sites' outputs, part by part, gives a predictor for each site.

All sites' predictors learn in step, by Adam, each from the outputs of the unmodified network. A step's samples may come
in parts: their gradients add up, and each part is normalised by its own statistics. Where several processes share the
samples, gradients and statistics are those of all their samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zaponnx.artifacts import Predictor
from zaponnx.calib.devices import CPU
from zaponnx.calib.distributed import ALONE, ProcessGroup
from zaponnx.calib.losses import TRAININGS, Training
from zaponnx.calib.predictors import PredictorModule, pattern_mask
from zaponnx.patterns import Pattern

_LEAST_MEAN = 1e-30  # to divide by, also where no output is positive


class PredictorTrainer:
    """Trains the predictors of all sites in step; each sees the unmodified network's outputs.

    Args:
        channels: Every site's output channels.
        pattern: The computation pattern.
        seed: Of the weights at the start.
        step_samples: Samples per optimiser step, those of all processes.
        group: The processes that share the samples.
        training: The loss and the learning rate.
        device: Where to train.
    """

    def __init__(
        self,
        channels: Sequence[int],
        pattern: Pattern,
        seed: int,
        step_samples: int,
        group: ProcessGroup = ALONE,
        *,
        training: Training = TRAININGS["default"],
        device: torch.device = CPU,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._modules = nn.ModuleList(PredictorModule(count, generator, group) for count in channels)
        self._modules.to(device).train()
        self._pattern = pattern
        self._step_samples = step_samples
        self._group = group
        self._training = training
        self._device = device
        self._added = 0  # samples since the last step
        self._positive = torch.zeros(len(channels), 2, dtype=torch.float64, device=device)  # outputs: sum and number
        self._optimizer = torch.optim.Adam(self._modules.parameters(), lr=training.rate(0, 1), foreach=True)

    def start_pass(self, epoch: int, epochs: int) -> None:
        """Sets the learning rate for pass `epoch`, from 0, of `epochs`."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._training.rate(epoch, epochs)

    def add(self, outputs: Sequence[Tensor], count: int) -> None:
        """Learns from samples; the `step_samples`-th ends a step.

        Args:
            outputs: The sites' post-ReLU outputs for this process's samples, float32 (N, M, H, W) each, N from 0. There
                is nothing to learn from a site whose whole map is in the pattern, nor from a single output per channel.
            count: All processes' samples, no more than the step has room for.
        """
        # Depthwise convolutions and their gradients are twice as fast with the channels last.
        outputs = [output.to(self._device, memory_format=torch.channels_last) for output in outputs]
        sums = [torch.stack([_total(output), _total(output.sign())]) for output in outputs]
        self._positive += self._group.sum(torch.stack(sums))
        means = (self._positive[:, 0] / self._positive[:, 1].clamp_min(1)).float().clamp_min(_LEAST_MEAN)
        means = means.cpu()  # once for all sites, as a GPU is waited for
        for module, output, mean in zip(self._modules, outputs, means, strict=True):
            self._add_gradients(module, output, count, mean)
        self._added += count
        if self._added == self._step_samples:
            self.step()

    def _add_gradients(self, module: nn.Module, output: Tensor, count: int, mean: Tensor) -> None:
        """Adds the gradients of the samples' losses, each a `step_samples`th of the step's."""
        in_pattern = self._pattern.mask(*output.shape[2:])
        if in_pattern.all() or count * in_pattern.size == 1:
            return
        mask = pattern_mask(self._pattern, output)
        predictions = module(output * mask)
        with torch.no_grad():
            gradient = self._training.gradient(predictions, output, mean)
            gradient *= ~mask / (self._step_samples * output.shape[1:].numel())  # the pattern needs no prediction
        torch.autograd.backward(predictions, gradient)

    def step(self) -> None:
        """An optimiser step on the samples added since the last one, if there are any."""
        if not self._added:
            return
        self._share_gradients()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._added = 0

    def _share_gradients(self) -> None:
        """Adds up all processes' gradients, each of which is that of its samples' part of the loss."""
        gradients = [parameter.grad for parameter in self._modules.parameters() if parameter.grad is not None]
        if self._group.size == 1 or not gradients:
            return
        total = self._group.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, torch.split(total, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def state_dict(self) -> dict[str, Any]:
        """All that training has changed, the step that is under way included; to be called by all processes."""
        gradients = {
            name: self._group.gather(parameter.grad)
            for name, parameter in self._modules.named_parameters()
            if parameter.grad is not None
        }
        return {
            "modules": self._modules.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "gradients": gradients,
            "added": self._added,
            "positive": self._positive,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` gave in as many processes."""
        self._modules.load_state_dict(state["modules"])
        self._optimizer.load_state_dict(state["optimizer"])
        for name, parameter in self._modules.named_parameters():
            gradients = state["gradients"].get(name)
            parameter.grad = None if gradients is None else gradients[self._group.rank].to(parameter.device, copy=True)
        self._added = state["added"]
        self._positive.copy_(state["positive"])

    def predictors(self) -> list[Predictor]:
        """The predictors as trained so far, batch norms folded in."""
        return [module.folded() for module in self._modules]  # type: ignore[operator] # they are PredictorModules


def _total(values: Tensor) -> Tensor:
    """The sum of values (N, M, H, W): that of each map's sum, which is several times as fast as doubles throughout."""
    return values.sum((2, 3)).sum(dtype=torch.float64)
