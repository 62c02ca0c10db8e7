"""Batch norm whose statistics are those of all processes' samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zaponnx.calib.distributed import ProcessGroup


class SharedBatchNorm2d(nn.BatchNorm2d):
    """torch's BatchNorm2d over the samples of all processes in a group, also on CPUs and for processes without any.

    Args:
        channels: The channels C.
        group: The processes; each calls the module with its share of a batch, (N, C, H, W), N from 0.
    """

    def __init__(self, channels: int, group: ProcessGroup) -> None:
        super().__init__(channels)
        self._group = group

    def forward(self, input: Tensor) -> Tensor:
        """The normalised share. Gradients are those of the sum of all processes' losses."""
        if not self.training or self._group.size == 1:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        count = self._group.sum(torch.tensor(input[:, 0].numel(), device=input.device))
        mean = self._group.sum(input.sum((0, 2, 3))) / count
        centred = input - mean[:, None, None]
        variance = self._group.sum(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum or 0)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum or 0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]
