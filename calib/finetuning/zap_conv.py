"""ZapConv in torch, trainable: the operators' formula, its predictor frozen.

    R = min(relu(conv(X, W, B) [+ Z]), bound)
    S = R where pattern, else 0
    V = dwconv3x3(relu(dwconv3x3(S, P1, p1)), P2, p2)
    compute = pattern or not (V <= threshold)
    Y = R where compute, else 0

The gradient flows through the outputs that are computed; which ones are is decided without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zaponnx.operator import INPUTS, TO_NCHW, TO_NHWC


class TorchZapConv(nn.Module):
    """One ZapConv, of any form.

    Args:
        tensors: W, B, P1, p1, P2 and p2 by their names in the operator.
        attributes: The node's attributes.
        nhwc: Whether X, Z and Y are in NHWC.

    Attributes:
        conv: The convolution with W and B, which are trained; it does not pad.
        active: Whether the predictor decides what is computed; if not, all outputs are.
    """

    P1: Tensor
    p1: Tensor
    P2: Tensor
    p2: Tensor
    threshold: Tensor
    tile: Tensor

    def __init__(self, tensors: Mapping[str, Tensor], attributes: Mapping[str, Any], *, nhwc: bool) -> None:
        super().__init__()
        channels, channels_per_group, height, width = tensors["W"].shape
        strides, dilations, group = (attributes[name] for name in ("strides", "dilations", "group"))
        self.conv = nn.Conv2d(channels_per_group * group, channels, (height, width), strides, 0, dilations, group)
        self.conv.weight, self.conv.bias = nn.Parameter(tensors["W"]), nn.Parameter(tensors["B"])
        self.active = True
        self._pads = attributes["pads"]
        self._bound = attributes["bound"]
        self._nhwc = nhwc
        for name in INPUTS[3:]:
            self.register_buffer(name, tensors[name])
        threshold = torch.tensor(attributes["threshold"], dtype=torch.float32)
        self.register_buffer("threshold", threshold.reshape(1, -1, 1, 1))
        tile = torch.tensor(attributes["pattern"], dtype=torch.bool)
        self.register_buffer("tile", tile.reshape(attributes["pattern_shape"]))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """X and, in the residual forms, Z to Y, all in the operator's layout."""
        if self._nhwc:
            x, residual = x.permute(TO_NCHW), None if residual is None else residual.permute(TO_NCHW)
        top, left, bottom, right = self._pads
        total: Tensor = self.conv(functional.pad(x, (left, right, top, bottom)))
        if residual is not None:
            total = total + residual
        result = functional.relu(total).clamp(max=self._bound)
        if self.active:
            result = result.where(self._computed(result), 0)
        return result.permute(TO_NHWC) if self._nhwc else result

    @torch.no_grad()
    def _computed(self, result: Tensor) -> Tensor:
        """Which outputs of R are computed, bool (N, M, H, W)."""
        height, width = result.shape[2:]
        rows, columns = self.tile.shape
        in_pattern = self.tile.repeat(height // rows + 1, width // columns + 1)[:height, :width]
        channels = self.conv.out_channels
        kept = result.where(in_pattern, 0)
        hidden = functional.relu(functional.conv2d(kept, self.P1, self.p1, padding=1, groups=channels))
        predicted = functional.conv2d(hidden, self.P2, self.p2, padding=1, groups=channels)
        return in_pattern | ~(predicted <= self.threshold)
