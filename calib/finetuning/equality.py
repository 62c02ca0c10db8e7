"""Compares a torch module with the model that it was imported from or written to: both must compute the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from zaponnx.calib.finetuning.torch_model import TorchModel
from zaponnx.errors import DataError, ModelError
from zaponnx.graph.converted import set_thresholds, zap_convs
from zaponnx.models import temporary_model
from zaponnx.runtime import open_session, ort_errors, session_options

TOLERANCE = 1e-5
"""Of the largest output: what rounding explains, sums being added up in another order."""


Inputs = Mapping[str, npt.NDArray[Any]]
"""A batch of a model's inputs, by their names."""


def check_equal(model: onnx.ModelProto, module: TorchModel, inputs: Inputs, where: str) -> float:
    """Compares the first outputs of a model in ONNX Runtime and in torch, both with everything computed.

    With the predictors active, a value within rounding of its threshold might fall either way.

    Args:
        model: The model.
        module: The same in torch.
        inputs: What to compare them on.
        where: The model's file, for error messages.

    Returns:
        The largest difference, relative to the largest output.

    Raises:
        ModelError: It is more than `TOLERANCE`, or ONNX Runtime cannot run the model.
        DataError: The model's outputs are not finite.
        RuntimeUnavailable: ONNX Runtime is not installed.
    """
    dense = onnx.ModelProto()
    dense.CopyFrom(model)
    for node in zap_convs(dense):
        set_thresholds(node, -math.inf)
    with temporary_model(dense) as path:
        session = open_session(path, session_options(), None, "finetune", where=where)
    with ort_errors("finetune", where):
        expected = session.run([session.get_outputs()[0].name], dict(inputs))[0]
    if not np.isfinite(expected).all():
        remedy = "check the data and the model for NaN and overflow, and use a smaller --lr if it has been trained"
        raise DataError("finetune", "its outputs have NaN or infinite values", where=where, remedy=remedy)
    device = module.device
    module.module.to("cpu")  # a GPU may round to TF32, and adds up in an order of its own
    module.predict(active=False)
    with torch.inference_mode():
        actual = module(inputs).numpy()
    module.predict(active=True)
    module.module.to(device)
    difference = _relative(actual, expected)
    if not difference <= TOLERANCE:
        problem = f"torch and ONNX Runtime differ by {difference:.1e} of the largest output, more than {TOLERANCE:.0e}"
        remedy = "please report it with the model; it cannot be fine-tuned here"
        raise ModelError("finetune", problem, where=where, remedy=remedy)
    return difference


def _relative(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """The largest difference by the largest expected value; NaN where there is one, or for another shape."""
    if actual.shape != expected.shape:
        return math.nan
    scale = float(np.abs(expected).max(initial=0)) or 1.0
    return float(np.abs(actual.astype(np.float64) - expected).max(initial=0)) / scale
