"""Runs the unmodified model and captures its sites' outputs, so many samples at a time that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.calib.data import Batch
from zaponnx.calib.data.inputs import fixed_batch_size, model_inputs
from zaponnx.errors import DataError
from zaponnx.graph.site import Site
from zaponnx.models import temporary_model
from zaponnx.runtime import open_session, ort_errors, session_options

Outputs = list[npt.NDArray[np.float32]]

_RUN_BYTES = 256 * 2**20  # of captured outputs


class Capture:
    """The model with its sites' outputs as its only outputs, run by ONNX Runtime on the CPU.

    Args:
        model: The dense model.
        sites: The sites whose outputs to capture.
        where: The model's file, for error messages.

    Raises:
        RuntimeUnavailable: ONNX Runtime is not installed.
        ModelError: ONNX Runtime cannot load the model.
    """

    def __init__(self, model: onnx.ModelProto, sites: Sequence[Site], *, where: str = "") -> None:
        self._sites = tuple(sites)
        self._where = where
        self._fixed_batch = fixed_batch_size(model_inputs(model)) is not None
        self._samples_per_run = 0  # not known yet
        options = session_options()
        # torch needs the cores between two runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with temporary_model(_with_outputs(model, [site.output for site in sites])) as path:
            self._session = open_session(path, options, None, "calibrate", where=where)

    def run(self, batch: Batch, wanted: npt.NDArray[np.intp]) -> Iterator[Outputs]:
        """Runs some samples of a batch: as many at a time as give 256 MiB of outputs, or else one.

        A model that prescribes its batch runs the whole of it.

        Args:
            batch: The samples.
            wanted: The indices of those to capture.

        Yields:
            For every run the sites' outputs, float32 (N, M, H, W), in the order of the sites.

        Raises:
            ModelError: ONNX Runtime fails on this batch.
            DataError: An output is infinite or not a number.
        """
        if not len(wanted):
            return
        if self._fixed_batch:
            yield [output[wanted] for output in self._outputs(batch)]
            return
        if not self._samples_per_run:
            sample_bytes = sum(output.nbytes for output in self._outputs(batch.take(wanted[:1])))
            self._samples_per_run = max(1, _RUN_BYTES // sample_bytes)
        for start in range(0, len(wanted), self._samples_per_run):
            yield self._outputs(batch.take(wanted[start : start + self._samples_per_run]))

    def _outputs(self, batch: Batch) -> Outputs:
        with ort_errors("calibrate", self._where):
            outputs: list[npt.NDArray[Any]] = self._session.run(
                [site.output for site in self._sites], dict(batch.inputs)
            )
        for site, output in zip(self._sites, outputs, strict=True):
            if not np.isfinite(output).all():
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
