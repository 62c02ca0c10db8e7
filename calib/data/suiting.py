"""Whether batches suit a model: reads what the data yield, gives what the model can be fed with."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.batch import Batch
from zaponnx.calib.data.inputs import ModelInput
from zaponnx.errors import DataError


def suited(batch: Batch, inputs: tuple[ModelInput, ...], spec: str) -> Batch:
    """The batch with the model's inputs only and int64 labels.

    Raises:
        DataError: It does not suit the model.
    """
    arrays = {}
    for entry in inputs:
        if entry.name not in batch.inputs:
            given = ", ".join(batch.inputs) or "none"
            raise DataError("data", f"no array for the model's input '{entry.name}' (there are: {given})", where=spec)
        arrays[entry.name] = _suitable(batch.inputs[entry.name], entry, spec)
    counts = {name: len(array) for name, array in arrays.items()}
    labels = batch.labels
    if labels is not None:
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            problem = f"labels are {labels.dtype} {list(labels.shape)}, not one integer per sample"
            raise DataError("data", problem, where=spec)
        counts["labels"] = len(labels)
        labels = labels.astype(np.int64, copy=False)
    if len(set(counts.values())) != 1:
        listing = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise DataError("data", f"the arrays have different numbers of samples: {listing}", where=spec)
    return Batch(arrays, labels)


def _suitable(array: npt.NDArray[Any], entry: ModelInput, spec: str) -> npt.NDArray[Any]:
    where = f"{spec}, input '{entry.name}'"
    dims = itertools.zip_longest(entry.shape[1:], array.shape[1:], fillvalue=-1)
    if array.ndim == 0 or any(wanted not in (None, given) for wanted, given in dims):
        wanted = ", ".join(["N", *("?" if dim is None else str(dim) for dim in entry.shape[1:])])
        raise DataError("data", f"shape {list(array.shape)} does not fit the model's ({wanted})", where=where)
    text = entry.dtype.kind == "O" and array.dtype.kind == "U"  # what ONNX's helper and numpy make of strings
    if array.dtype != entry.dtype and not text:
        remedy = f"convert it with .astype('{entry.dtype}')"
        raise DataError("data", f"dtype {array.dtype} is not the model's {entry.dtype}", where=where, remedy=remedy)
    return array
