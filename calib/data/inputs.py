"""A model's inputs, as far as data must suit them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from zaponnx.errors import DataError


@dataclass(frozen=True)
class ModelInput:
    """One input of a model.

    Attributes:
        name: The tensor's name.
        dtype: Its element type.
        shape: Its dims; None where dynamic.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class ImageInput:
    """The only input of a model that takes images.

    Attributes:
        name, dtype: As in ModelInput.
        channels: 1 or 3.
        height, width: In pixels; the caller's default where dynamic.
    """

    name: str
    dtype: np.dtype[Any]
    channels: int
    height: int
    width: int


def model_inputs(model: onnx.ModelProto) -> tuple[ModelInput, ...]:
    """The inputs that a caller must feed, in the model's order."""
    initialized = {initializer.name for initializer in model.graph.initializer}
    return tuple(_model_input(value) for value in model.graph.input if value.name not in initialized)


def _model_input(value: onnx.ValueInfoProto) -> ModelInput:
    tensor = value.type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return ModelInput(value.name, dtype, tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim))


def fixed_batch_size(inputs: tuple[ModelInput, ...]) -> int | None:
    """The batch size that the model prescribes, None if it is dynamic."""
    return next((entry.shape[0] for entry in inputs if entry.shape and entry.shape[0]), None)


def image_input(inputs: tuple[ModelInput, ...], *, default_size: int) -> ImageInput:
    """The model's input as an image input, (N, C, H, W) with C of 1 or 3 (3 where dynamic).

    Raises:
        DataError: The model takes something else.
    """
    names = ", ".join(entry.name for entry in inputs) or "none"
    if len(inputs) != 1:
        raise DataError("data", f"the model must have one input to be fed with images, and has: {names}")
    entry = inputs[0]
    if len(entry.shape) != 4 or entry.shape[1] not in (1, 3, None) or entry.dtype.kind != "f":
        raise DataError(
            "data",
            f"input is {entry.dtype} {list(entry.shape)}, not a float image batch (N, 1 or 3, H, W)",
            where=f"input '{entry.name}'",
            remedy="give the data as npz:FILE or py:FILE.py:function",
        )
    _, channels, height, width = entry.shape
    return ImageInput(entry.name, entry.dtype, channels or 3, height or default_size, width or default_size)
