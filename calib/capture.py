"""Runs the unmodified model and captures its sites' outputs, one batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.calib.data import Batch
from zaponnx.errors import DataError, ModelError
from zaponnx.graph.site import Site
from zaponnx.models import first_line
from zaponnx.runtime import onnxruntime, session_options


class Capture:
    """The model with its sites' outputs as its only outputs, run by ONNX Runtime on the CPU.

    Args:
        model: The dense model.
        sites: The sites whose outputs to capture.

    Raises:
        RuntimeUnavailable: ONNX Runtime is not installed.
        ModelError: ONNX Runtime cannot load the model.
    """

    def __init__(self, model: onnx.ModelProto, sites: Sequence[Site]) -> None:
        self._sites = tuple(sites)
        runtime = onnxruntime("calibrate")
        options = session_options()
        # torch needs the cores between two runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            content = _with_outputs(model, [site.output for site in sites]).SerializeToString()
            self._session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions and protobuf's have no common base
            raise ModelError("calibrate", f"ONNX Runtime cannot load the model: {first_line(error)}") from error

    def run(self, batch: Batch) -> list[npt.NDArray[np.float32]]:
        """The sites' outputs, float32 (N, M, H, W), in the order of the sites.

        Raises:
            ModelError: ONNX Runtime fails on this batch.
            DataError: An output is infinite or not a number.
        """
        names = [site.output for site in self._sites]
        try:
            outputs: list[npt.NDArray[Any]] = self._session.run(names, dict(batch.inputs))
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise ModelError("calibrate", f"ONNX Runtime cannot run the model: {first_line(error)}") from error
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
