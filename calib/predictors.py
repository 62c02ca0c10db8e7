"""The predictors in torch: reads a site's outputs, learns which of them are zero from those in the pattern.

Depthwise 3x3 (bias) → BatchNorm → ReLU → depthwise 3x3 (bias) → BatchNorm; batch norms are folded in afterwards.
Training is the method's (ECCV 2020): target 1 where the true output is positive, mean squared error between the
prediction clamped to 0..1 and the target, Adam with learning rate 0.01. Ours are the weights at the start, and that a
step's samples may come in parts: their gradients add up, and each part is normalised by its own statistics. Where
several processes share the samples, gradients and statistics are those of all their samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zaponnx.artifacts import Predictor
from zaponnx.calib.batch_norm import SharedBatchNorm2d
from zaponnx.calib.distributed import ALONE, ProcessGroup
from zaponnx.patterns import Pattern

_LEARNING_RATE = 0.01


class PredictorModule(nn.Module):
    """One site's predictor while it is trained.

    It starts as two blurs, near-positive outputs being likely positive, with predictions of mean 0.5 and standard
    deviation 0.25: within 0..1, because the clamp in the loss passes no gradient from outside.

    Args:
        channels: The site's output channels M.
        generator: Draws the small differences between the channels' weights.
        group: The processes that share the samples.
    """

    def __init__(self, channels: int, generator: torch.Generator, group: ProcessGroup = ALONE) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn1 = SharedBatchNorm2d(channels, group)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn2 = SharedBatchNorm2d(channels, group)
        with torch.no_grad():
            for conv in (self.conv1, self.conv2):
                conv.weight.uniform_(0.5 / 9, 1.5 / 9, generator=generator)
                # A bias before a batch norm changes nothing, and Adam would follow its gradient, which is rounding alone.
                conv.bias.zero_().requires_grad_(False)  # type: ignore[union-attr] # it has one
            self.bn2.weight.fill_(0.25)
            self.bn2.bias.fill_(0.5)

    def forward(self, kept: Tensor) -> Tensor:
        """The site's outputs (N, M, H, W), zero outside the pattern, to predictions of the same shape."""
        predictions: Tensor = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(kept)))))
        return predictions

    def folded(self) -> Predictor:
        """The predictor with its batch norms folded into the convolutions."""
        weight1, bias1 = _folded(self.conv1, self.bn1)
        weight2, bias2 = _folded(self.conv2, self.bn2)
        return Predictor(P1=weight1.numpy(), p1=bias1.numpy(), P2=weight2.numpy(), p2=bias2.numpy())


@torch.no_grad()
def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of norm(conv(x)), with the statistics that the norm has gathered."""
    assert conv.bias is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    bias = (conv.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
    return (conv.weight.double() * scale[:, None, None, None]).float(), bias.float()


class PredictorTrainer:
    """Trains the predictors of all sites in step; each sees the unmodified network's outputs.

    Args:
        channels: Every site's output channels.
        pattern: The computation pattern.
        seed: Of the weights at the start.
        step_samples: Samples per optimiser step, those of all processes.
        group: The processes that share the samples.
    """

    def __init__(
        self, channels: Sequence[int], pattern: Pattern, seed: int, step_samples: int, group: ProcessGroup = ALONE
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._modules = nn.ModuleList(PredictorModule(count, generator, group) for count in channels).train()
        self._pattern = pattern
        self._step_samples = step_samples
        self._group = group
        self._added = 0  # samples since the last step
        self._optimizer = torch.optim.Adam(self._modules.parameters(), lr=_LEARNING_RATE, foreach=True)

    def add(self, outputs: Sequence[Tensor], count: int) -> None:
        """Learns from samples; the `step_samples`-th ends a step.

        Args:
            outputs: The sites' post-ReLU outputs for this process's samples, float32 (N, M, H, W) each, N from 0. There
                is nothing to learn from a site whose whole map is in the pattern, nor from a single output per channel.
            count: All processes' samples, no more than the step has room for.
        """
        for module, output in zip(self._modules, outputs, strict=True):
            self._add_gradients(module, output, count)
        self._added += count
        if self._added == self._step_samples:
            self.step()

    def _add_gradients(self, module: nn.Module, output: Tensor, count: int) -> None:
        """Adds the gradients of the samples' losses, each a `step_samples`th of the step's."""
        mask = pattern_mask(self._pattern, output)
        if bool(mask.all()) or count * mask.numel() == 1:
            return
        predictions = module(output * mask)
        # A position of the pattern counts as 1 on both sides: it contributes no error.
        errors = (predictions.clamp(0, 1) - (output > 0).float()) * ~mask
        torch.autograd.backward(errors.square().sum() / (self._step_samples * output.shape[1:].numel()))

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
        for gradient, part in zip(gradients, total.split([each.numel() for each in gradients]), strict=True):
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
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` gave in as many processes."""
        self._modules.load_state_dict(state["modules"])
        self._optimizer.load_state_dict(state["optimizer"])
        for name, parameter in self._modules.named_parameters():
            gradients = state["gradients"].get(name)
            parameter.grad = None if gradients is None else gradients[self._group.rank].clone()
        self._added = state["added"]

    def predictors(self) -> list[Predictor]:
        """The predictors as trained so far, batch norms folded in."""
        return [module.folded() for module in self._modules]  # type: ignore[operator] # they are PredictorModules


def pattern_mask(pattern: Pattern, output: Tensor) -> Tensor:
    """The pattern over a site's output map, bool (H, W)."""
    return torch.from_numpy(pattern.mask(*output.shape[-2:]))


@torch.inference_mode()
def predict(predictor: Predictor, output: Tensor, mask: Tensor) -> Tensor:
    """The predicted values V of ZapConv's formula, float32 (N, M, H, W), for a site's output and its pattern mask."""
    channels = output.shape[1]
    weight1, bias1, weight2, bias2 = map(torch.from_numpy, (predictor.P1, predictor.p1, predictor.P2, predictor.p2))
    hidden = functional.relu(functional.conv2d(output * mask, weight1, bias1, padding=1, groups=channels))
    return functional.conv2d(hidden, weight2, bias2, padding=1, groups=channels)
