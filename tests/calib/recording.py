"""A program that calibrates and records the gradients of every step: recording.py MODEL DATA OUTPUT GRADIENTS BLOCKS.

After so many BLOCKS it interrupts itself.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from zaponnx.calib import capture, checkpoint
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.distributed import process_group

model, data, output, gradients_file, blocks = sys.argv[1:]
steps: list[np.ndarray] = []
reports: list[int] = []
original = torch.optim.Adam.step


def recorded(self: torch.optim.Adam) -> None:
    """Records what the optimiser gets."""
    parameters = [parameter for group in self.param_groups for parameter in group["params"]]
    gradients = [parameter.grad.flatten().numpy() for parameter in parameters if parameter.grad is not None]
    steps.append(np.concatenate(gradients))
    original(self)


def interrupt(step: str, done: int, total: int | None) -> None:
    """A progress."""
    reports.append(done)
    if len(reports) == int(blocks):
        raise KeyboardInterrupt


torch.optim.Adam.step = recorded  # type: ignore[assignment, method-assign] # it is what is tested
capture._RUN_BYTES = 4 * (6 + 4) * 64 * 4  # four samples in a part, and so several in a step
checkpoint._SECONDS_BETWEEN = 0
try:
    calibrate(model, data, output, epochs=2, refine_steps=0, batch_size=10, progress=interrupt)
except KeyboardInterrupt:
    print("interrupted")
if process_group().rank == 0:
    np.savez(gradients_file, *steps)
