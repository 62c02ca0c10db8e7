"""Where torch computes: reads the providers that ONNX Runtime is asked for, gives the same device in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zaponnx.processes import own_device
from zaponnx.providers import Provider, gpu_of

CPU = torch.device("cpu")


def torch_device(providers: Sequence[Provider] | None) -> torch.device:
    """The NVIDIA GPU of the first provider, if it has one and torch does, too; else the CPU."""
    gpu = gpu_of(own_device(providers))
    return torch.device("cuda", gpu) if gpu is not None and torch.cuda.is_available() else CPU
