"""`random`: standard normal values in the shape of the model's inputs, without labels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.batch import Batch, Positions
from zaponnx.calib.data.inputs import ModelInput
from zaponnx.errors import DataError

SPLITS = ("calibration", "test", "train")
"""Their order decides the values."""


def check_shapes(inputs: tuple[ModelInput, ...]) -> None:
    """Raises DataError if an input is no float tensor or has a dynamic dim other than the batch."""
    for entry in inputs:
        where = f"input '{entry.name}'"
        if entry.dtype.kind != "f":
            raise DataError("data", f"random data are floats, and the model wants {entry.dtype}", where=where)
        if None in entry.shape[1:]:
            remedy = "export the model with fixed sizes, or give the data as npz:FILE"
            problem = "random data need a fixed size of all dims but the batch"
            raise DataError("data", problem, where=where, remedy=remedy)


def fetch_noise(inputs: tuple[ModelInput, ...], seed: int, split: str, positions: Positions) -> Batch:
    """Random samples, each the same for the same seed, split and position."""
    samples = [_sample(inputs, np.random.default_rng([seed, SPLITS.index(split), place])) for place in positions]
    arrays = zip(inputs, zip(*samples, strict=True), strict=True)
    return Batch({entry.name: np.stack(values).astype(entry.dtype) for entry, values in arrays}, None)


def _sample(inputs: tuple[ModelInput, ...], generator: np.random.Generator) -> list[npt.NDArray[np.float64]]:
    shapes = [[size for size in entry.shape[1:] if size is not None] for entry in inputs]
    return [generator.standard_normal(shape) for shape in shapes]
