"""Runs a model and captures tensors of it, as its sites' outputs, and says how many samples of them fit into memory.

They stay on the device of ONNX Runtime's first provider, where the predictors are trained and measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import onnx
import torch
from torch import Tensor

from zaponnx.calib.bound_session import BoundSession
from zaponnx.calib.data import Batch
from zaponnx.calib.data.inputs import fixed_batch_size, model_inputs
from zaponnx.calib.devices import torch_device
from zaponnx.errors import DataError
from zaponnx.models import temporary_model
from zaponnx.processes import own_device, threads_per_process
from zaponnx.providers import Provider
from zaponnx.runtime import open_session, ort_errors, session_options

_RUN_BYTES = 256 * 2**20  # of captured outputs


class Captured(Protocol):
    """A tensor to capture, as a site's output is."""

    @property
    def output(self) -> str:
        """Its name in the model."""

    @property
    def name(self) -> str:
        """What to call it in error messages."""


class Capture:
    """The model with its sites' outputs as its only outputs, run by ONNX Runtime.

    Args:
        model: The dense model.
        sites: The sites whose outputs to capture.
        providers: ONNX Runtime's, by precedence; the CPU if there are none.
        where: The model's file, for error messages.

    Raises:
        InvalidArgument: An unknown provider.
        RuntimeUnavailable: ONNX Runtime is not installed, or has no such provider.
        ModelError: ONNX Runtime cannot load the model.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        sites: Sequence[Captured],
        *,
        providers: Sequence[Provider] | None = None,
        where: str = "",
    ) -> None:
        self._sites = tuple(sites)
        self._where = where
        self._fixed_batch = fixed_batch_size(model_inputs(model))
        self._samples_per_run = 0  # not known yet
        options = session_options()
        options.intra_op_num_threads = threads_per_process()
        # torch needs the cores between two runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with temporary_model(_with_outputs(model, [site.output for site in sites])) as path:
            session = open_session(path, options, own_device(providers), "calibrate", where=where)
        self._session = BoundSession(session, [site.output for site in sites], torch_device(providers))

    def samples_per_run(self, batch: Batch) -> int:
        """How many samples like those of a batch give 256 MiB of outputs, but at least one."""
        if not self._samples_per_run:
            sample_bytes = sum(output.nbytes for output in self.run(batch.take(slice(1))))
            self._samples_per_run = max(1, _RUN_BYTES // sample_bytes)
        return self._samples_per_run

    def run(self, batch: Batch) -> list[Tensor]:
        """Runs the samples of a batch, at least one; a model that prescribes its batch, as often as it takes.

        Returns:
            The sites' outputs, float32 (N, M, H, W), in the order of the sites, on the device of `torch_device`.

        Raises:
            ModelError: ONNX Runtime fails on this batch.
            DataError: An output is infinite or not a number.
        """
        size = self._fixed_batch
        if size is None:
            return self._outputs(batch)
        # Samples that are there again fill the last run.
        runs = [np.arange(start, start + size) % batch.size for start in range(0, batch.size, size)]
        outputs = zip(*(self._outputs(batch.take(run)) for run in runs), strict=True)
        return [torch.cat(parts)[: batch.size] for parts in outputs]

    def _outputs(self, batch: Batch) -> list[Tensor]:
        with ort_errors("calibrate", self._where):
            outputs = self._session.run(batch.inputs)
        finite = torch.stack([output.isfinite().all() for output in outputs]).tolist()
        for site, sound in zip(self._sites, finite, strict=True):
            if not sound:
                remedy = "check the data and the model for NaN and overflow"
                raise DataError("calibrate", "the output has NaN or infinite values", where=site.name, remedy=remedy)
        return outputs


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of the model with the named tensors as its outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return copy
