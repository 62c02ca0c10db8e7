"""The predictors in torch: as a module that is trained, and as what is left of it, with its batch norms folded in.

Depthwise 3x3 (bias) → BatchNorm → ReLU → depthwise 3x3 (bias) → BatchNorm, as in ECCV 2020.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from zaponnx.artifacts import Predictor
from zaponnx.calib.batch_norm import SharedBatchNorm2d
from zaponnx.calib.distributed import ALONE, ProcessGroup
from zaponnx.patterns import Pattern


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
                # A bias before a batch norm changes nothing, and Adam would follow the rounding of its gradient.
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
    weight = conv.weight.double() * scale[:, None, None, None]
    return weight.float().cpu().contiguous(), bias.float().cpu()


def pattern_mask(pattern: Pattern, output: Tensor) -> Tensor:
    """The pattern over a site's output map, bool (H, W), on the output's device."""
    return _mask(pattern, *output.shape[-2:], output.device)


@lru_cache(maxsize=64)
def _mask(pattern: Pattern, height: int, width: int, device: torch.device) -> Tensor:
    return torch.from_numpy(pattern.mask(height, width)).to(device)


@torch.inference_mode()
def predict(predictor: Predictor, output: Tensor, mask: Tensor) -> Tensor:
    """The predicted values V of ZapConv's formula, float32 (N, M, H, W), for a site's output and its pattern mask."""
    channels = output.shape[1]
    weights = (predictor.P1, predictor.p1, predictor.P2, predictor.p2)
    weight1, bias1, weight2, bias2 = (torch.from_numpy(each).to(output.device) for each in weights)
    kept = (output * mask).contiguous(memory_format=torch.channels_last)
    hidden = functional.relu(functional.conv2d(kept, weight1, bias1, padding=1, groups=channels))
    return functional.conv2d(hidden, weight2, bias2, padding=1, groups=channels)
