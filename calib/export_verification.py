"""Runs a network in torch, and compares the file that it was exported to with it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from zaponnx.errors import ModelError
from zaponnx.models import first_line
from zaponnx.runtime import open_session, ort_errors, session_options

_TOLERANCE = 1e-4  # of the largest output: rounding, and batch norms folded in another order


def forward(network: nn.Module, sample: Tensor, source: str) -> list[Tensor]:
    """The network's outputs for a sample.

    Raises:
        ModelError: It fails, or returns something else than tensors, alone or in dicts and sequences.
    """
    try:
        with torch.inference_mode():
            outputs = network(sample)
    except Exception as error:  # the network may raise anything
        problem = f"fails on an input of {list(sample.shape)} with {type(error).__name__}: {first_line(error)}"
        remedy = "--input-shape must be the shape of its only input"
        raise ModelError("export", problem, where=source, remedy=remedy) from error
    tensors = _tensors(outputs, source)
    if not tensors:
        raise ModelError("export", "the network returns no tensor", where=source)
    return tensors


def _tensors(outputs: object, source: str) -> list[Tensor]:
    """The tensors of a network's result: one, or those of a dict or sequence, in order; None is no output."""
    if isinstance(outputs, Tensor):
        return [outputs]
    if isinstance(outputs, dict):
        outputs = tuple(outputs.values())
    if isinstance(outputs, (tuple, list)):
        return [tensor for output in outputs for tensor in _tensors(output, source)]
    if outputs is None:
        return []
    raise ModelError("export", f"the network returns a {type(outputs).__name__}, not tensors alone", where=source)


def verify_export(file: Path, network: nn.Module, shape: tuple[int, ...], source: str) -> float:
    """Checks a model file, and its outputs for a random input of a shape.

    Returns:
        Their largest difference from the network's, relative to the largest output in magnitude.

    Raises:
        ModelError: The file is invalid or does not run, the network does not run, or the outputs differ.
    """
    sample = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    expected = [tensor.numpy() for tensor in forward(network, torch.from_numpy(sample), source)]
    try:
        onnx.checker.check_model(str(file), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError("export", f"torch exports an invalid model ({first_line(error)})", where=source) from error
    session = open_session(file, session_options(), None, "export", where=source)
    with ort_errors("export", source):
        actual = session.run(None, {session.get_inputs()[0].name: sample})
    shapes, wanted = ([list(output.shape) for output in outputs] for outputs in (actual, expected))
    if shapes != wanted:
        raise ModelError("export", f"the exported model's outputs are {shapes}, and torch's {wanted}", where=source)
    difference = max(map(_relative_difference, actual, expected))
    if difference > _TOLERANCE:
        problem = f"the exported model's outputs differ from torch's by {difference:.1e}, more than {_TOLERANCE:.0e}"
        raise ModelError("export", problem, where=source)
    return difference


def _relative_difference(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """The largest difference by the largest expected value; infinite where one is not a number."""
    difference = np.abs(actual.astype(np.float64) - expected).max(initial=0)
    return math.inf if np.isnan(difference) else float(difference / max(np.abs(expected).max(initial=0), 1e-6))
