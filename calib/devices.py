"""Where torch computes: reads the providers that ONNX Runtime is asked for, gives the same device in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zaponnx.processes import own_device
from zaponnx.providers import Provider

CPU = torch.device("cpu")


def torch_device(providers: Sequence[Provider] | None) -> torch.device:
    """The NVIDIA GPU of the first provider, if it has one and torch does, too; else the CPU."""
    for each in (own_device(providers) or ())[:1]:
        name, options = (each, {}) if isinstance(each, str) else each
        if name.lower().startswith(("cuda", "tensorrt")) and torch.cuda.is_available():
            return torch.device("cuda", int(options.get("device_id", 0)))
    return CPU
