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
        attributes, nhwc: As given.
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
        self.attributes = attributes
        self.nhwc = nhwc
        for name in INPUTS[3:]:
            self.register_buffer(name, tensors[name])
        threshold = torch.tensor(attributes["threshold"], dtype=torch.float32)
        self.register_buffer("threshold", threshold.reshape(1, -1, 1, 1))
        tile = torch.tensor(attributes["pattern"], dtype=torch.bool)
        self.register_buffer("tile", tile.reshape(attributes["pattern_shape"]))

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """X and, in the residual forms, Z to Y, all in the operator's layout."""
        if self.nhwc:
            x, residual = x.permute(TO_NCHW), None if residual is None else residual.permute(TO_NCHW)
        top, left, bottom, right = self._pads
        total: Tensor = self.conv(functional.pad(x, (left, right, top, bottom)))
        if residual is not None:
            total = total + residual
        result = functional.relu(total).clamp(max=self._bound)
        if self.active:
            result = self.computed(result)
        return result.permute(TO_NHWC) if self.nhwc else result

    def computed(self, result: Tensor) -> Tensor:
        """R to Y, (N, M, H, W)."""
        with torch.no_grad():
            in_pattern = self.in_pattern(result)
            computed = in_pattern | ~(self.predicted(result.where(in_pattern, 0)) <= self.threshold)
        return result.where(computed, 0)

    def in_pattern(self, result: Tensor) -> Tensor:
        """The pattern over the map of R, bool (H, W)."""
        height, width = result.shape[2:]
        rows, columns = self.tile.shape
        return self.tile.repeat(height // rows + 1, width // columns + 1)[:height, :width]

    def predicted(self, kept: Tensor) -> Tensor:
        """S to V, (N, M, H, W)."""
        weight1, bias1, weight2, bias2 = self.predictor()
        channels = self.conv.out_channels
        hidden = functional.relu(functional.conv2d(kept, weight1, bias1, padding=1, groups=channels))
        return functional.conv2d(hidden, weight2, bias2, padding=1, groups=channels)

    def predictor(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """P1, p1, P2 and p2."""
        return self.P1, self.p1, self.P2, self.p2
