"""The mean of weights over a training's steps."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from zaponnx.calib.finetuning.training import MeanWeights


def test_the_mean_of_a_long_training_is_exact() -> None:
    """In float32 steps that are small beside the weights would be lost, here a tenth of what the mean moves by."""
    steps = np.arange(1, 50_001)
    path = (1 + 1e-3 * steps / len(steps)).astype(np.float32)
    parameter = nn.Parameter(torch.ones(1))
    mean = MeanWeights([parameter])
    for value in torch.from_numpy(path):
        parameter.data.fill_(value)
        mean.add()
    mean.put()
    expected = np.average(path.astype(np.float64), weights=steps * (steps + 1.0) * (steps + 2.0))
    np.testing.assert_allclose(parameter.item(), expected, atol=1e-6)
