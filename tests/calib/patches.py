"""Outputs like a CNN's, for the tests of training."""

from __future__ import annotations

import torch
from torch.nn import functional

from zaponnx.patterns import Pattern

PATTERN = Pattern.parse("B")


def patchy(samples: int, channels: int, generator: torch.Generator) -> torch.Tensor:
    """Outputs whose zeros come in patches, as in a CNN: smoothed noise after ReLU, (samples, channels, 16, 16)."""
    noise = torch.randn(samples, channels, 20, 20, generator=generator)
    return functional.avg_pool2d(noise, 5, stride=1).relu()
