"""A program that calibrates and records the gradients of every step: recording.py MODEL DATA OUTPUT GRADIENTS."""

from __future__ import annotations

import sys

import numpy as np
import torch

from zaponnx.calib import capture
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.distributed import process_group

model, data, output, gradients = sys.argv[1:]
steps: list[np.ndarray] = []
original = torch.optim.Adam.step


def recorded(self: torch.optim.Adam) -> None:
    """Records what the optimiser gets."""
    steps.append(np.concatenate([p.grad.flatten().numpy() for group in self.param_groups for p in group["params"]]))
    original(self)


torch.optim.Adam.step = recorded  # type: ignore[assignment, method-assign] # it is what is tested
capture._RUN_BYTES = 4 * (6 + 4) * 64 * 4  # four samples in a part, and so several in a step
calibrate(model, data, output, epochs=2, batch_size=10)
if process_group().rank == 0:
    np.savez(gradients, *steps)
