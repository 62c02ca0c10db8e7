"""`random`: standard normal values in the shape of the model's inputs, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.inputs import ModelInput
from zaponnx.calib.data.source import Batch
from zaponnx.errors import DataError

_READ_SIZE = 16
_SPLITS = ("calibration", "test")


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


def read_noise(inputs: tuple[ModelInput, ...], samples: int, seed: int, split: str) -> Iterator[Batch]:
    """One pass over `samples` random samples, the same for the same seed and split."""
    generator = np.random.default_rng([seed, _SPLITS.index(split)])
    for start in range(0, samples, _READ_SIZE):
        count = min(_READ_SIZE, samples - start)
        yield Batch({entry.name: _normal(generator, count, entry) for entry in inputs}, None)


def _normal(generator: np.random.Generator, count: int, entry: ModelInput) -> npt.NDArray[Any]:
    shape = [count, *(size for size in entry.shape[1:] if size is not None)]
    return generator.standard_normal(shape).astype(entry.dtype)
