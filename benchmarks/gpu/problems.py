"""A convolution with made-up numbers: reads a shape and what is to be saved, gives tensors, a threshold, the result.

X is patchy, and half of the variance of W is common to a kernel, as in `benchmarks.networks`, so that zeros come in
patches. W and B are scaled until the outputs before the ReLU have a mean of -0.25 and a deviation of 1. The predictor
is two blurs, near-positive outputs being likely positive, as predictors are before they are trained; the threshold is
the quantile of its predictions that saves what the point asks of the whole network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.shapes import Shape

TILES = {"B": ((1, 0), (0, 1)), "D": ((0, 0, 1), (0, 1, 0), (1, 0, 0))}
"""The patterns of the operating points, 1 where an output is always computed."""

_PATCH = 8  # pixels across which X is smooth
_MEAN = -0.25
_QUANTILE_OF = 1_000_000  # predictions


@dataclass(frozen=True, eq=False)
class Problem:
    """A layer and its input.

    Attributes:
        shape: Its shape.
        x, w, b, z: X (N, C, H, W), W, B and the residual, None if there is none; float32.
        p1, p2: The predictor's weights (M, 1, 3, 3); its biases are 0.
    """

    shape: Shape
    x: Tensor
    w: Tensor
    b: Tensor
    z: Tensor | None
    p1: Tensor
    p2: Tensor

    def dense(self) -> Tensor:
        """R of the operator's formula."""
        total = functional.conv2d(self.x, self.w, self.b, self.shape.stride, self.shape.pad)
        return functional.relu(total if self.z is None else total + self.z)

    def predictions(self, result: Tensor, tile: Tensor) -> Tensor:
        """V, from R."""
        channels = self.shape.outputs
        kept = result * tile
        hidden = functional.relu(functional.conv2d(kept, self.p1, padding=1, groups=channels))
        return functional.conv2d(hidden, self.p2, padding=1, groups=channels)


def make_problem(shape: Shape, batch: int, device: torch.device, seed: int = 0) -> Problem:
    """Draws a problem; its numbers depend on the device.

    Args:
        shape: The shape.
        batch: Images.
        device: Where.
        seed: Of the numbers.
    """
    generator = torch.Generator(device).manual_seed(seed)

    def normal(*extents: int) -> Tensor:
        return torch.randn(extents, generator=generator, device=device)

    x = _patchy(normal, batch, shape.inputs, shape.size)
    w = normal(shape.outputs, shape.inputs, shape.kernel, shape.kernel) + normal(shape.outputs, shape.inputs, 1, 1)
    w /= math.sqrt(2 * shape.inputs * shape.kernel**2)
    z = _patchy(normal, batch, shape.outputs, shape.output_size) if shape.residual else None
    deviation, mean = torch.std_mean(functional.conv2d(x, w, None, shape.stride, shape.pad), dim=(0, 2, 3))
    deviation = deviation.clamp_min(1e-6)
    blurs = [(normal(shape.outputs, 1, 3, 3) / 8 + 1) / 9 for _ in range(2)]
    return Problem(shape, x, w / deviation[:, None, None, None], _MEAN - mean / deviation, z, *blurs)


def _patchy(normal: object, batch: int, channels: int, size: int) -> Tensor:
    """Half of it noise, half of it smooth, after a ReLU, in channels_last."""
    assert callable(normal)
    coarse = normal(batch, channels, -(-size // _PATCH) + 1, -(-size // _PATCH) + 1)
    smooth = functional.interpolate(coarse, (size, size), mode="bilinear", align_corners=False)
    patchy: Tensor = functional.relu((smooth + 0.5 * normal(batch, channels, size, size)) / 1.2)
    return patchy.contiguous(memory_format=torch.channels_last)


def pattern_tile(pattern: str, size: int, device: torch.device) -> Tensor:
    """A pattern over a square map, bool (size, size)."""
    tile = torch.tensor(TILES[pattern], dtype=torch.bool, device=device)
    rows, columns = tile.shape
    return tile.repeat(size // rows + 1, size // columns + 1)[:size, :size]


def threshold_for(predictions: Tensor, tile: Tensor, saving: float) -> float:
    """The threshold up to which a share of all outputs is predicted to be zero; all outside the pattern at most."""
    outside = predictions[:, :, ~tile]
    share = saving * predictions.numel() / outside.numel()
    if share >= 1:
        return math.inf
    sample = outside.flatten()[:: -(-outside.numel() // _QUANTILE_OF)]
    return float(sample.kthvalue(max(1, math.ceil(share * sample.numel()))).values)


def zap(result: Tensor, predictions: Tensor, tile: Tensor, threshold: float) -> Tensor:
    """Y, from R and V."""
    return result.where(tile | ~(predictions <= threshold), 0)
