"""Runs a model and leaves its outputs where torch computes: reads arrays, gives tensors in ONNX Runtime's own memory.

Only the inputs are copied to the device, once per run. Nothing here but the synchronisation depends on which it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack


class BoundSession:
    """A session whose outputs are bound to a device.

    Args:
        session: An onnxruntime.InferenceSession.
        outputs: The names of its outputs to compute.
        device: Where to leave them.
    """

    def __init__(self, session: Any, outputs: Sequence[str], device: torch.device) -> None:
        self._session, self._outputs, self._device = session, tuple(outputs), device

    def run(self, inputs: Mapping[str, npt.NDArray[Any]]) -> list[Tensor]:
        """The outputs for inputs of the CPU, in the order of their names; each keeps ONNX Runtime's memory alive."""
        if self._device.type == "cuda":
            # The memory of tensors that are gone is used again, and torch may still be reading it.
            torch.cuda.synchronize(self._device)
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        for name in self._outputs:
            binding.bind_output(name, self._device.type, self._device.index or 0)
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return [_tensor(value).to(self._device) for value in binding.get_outputs()]


def _tensor(value: Any) -> Tensor:
    """An OrtValue as a tensor in the same memory; a copy on the CPU where this ONNX Runtime (1.20) knows no DLPack."""
    for exported in (value, getattr(value, "_ortvalue", None)):  # from 1.21 to 1.24 only what OrtValue wraps knows it
        if hasattr(exported, "__dlpack__"):
            tensor: Tensor = from_dlpack(exported)
            return tensor
    return torch.from_numpy(value.numpy())
