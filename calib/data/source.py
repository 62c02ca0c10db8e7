"""The stream of batches that all kinds of data become: cut to size, checked, repeatable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.inputs import ModelInput
from zaponnx.errors import DataError


@dataclass(frozen=True)
class Batch:
    """Samples for one run of a model.

    Attributes:
        inputs: Input name → array; the first axis is the sample.
        labels: Class indices, int64 (N,), or None if the data have none.
    """

    inputs: Mapping[str, npt.NDArray[Any]]
    labels: npt.NDArray[np.int64] | None

    @property
    def size(self) -> int:
        """The number of samples."""
        return len(next(iter(self.inputs.values())))

    def take(self, index: slice | npt.NDArray[Any]) -> Batch:
        """The samples that a slice, an index array or a mask selects."""
        labels = None if self.labels is None else self.labels[index]
        return Batch({name: array[index] for name, array in self.inputs.items()}, labels)


@dataclass(frozen=True)
class DataSource:
    """A data set. Every iteration starts a new pass and yields the same batches in the same order.

    Attributes:
        spec: What the user asked for.
        split: The part of the data that it reads; None where the SPEC has no splits.
        inputs: The model's inputs that it feeds.
        read: Starts a pass over the samples, in batches of any size.
        batch_size: Samples per batch; the last batch may have fewer.
        fixed_batch: Whether the model can only run whole batches.
        samples: Upper limit of samples per pass, None for all.
        length: Samples per pass, None where only a pass can tell.
    """

    spec: str
    split: str | None
    inputs: tuple[ModelInput, ...]
    read: Callable[[], Iterable[Batch]]
    batch_size: int
    fixed_batch: bool
    samples: int | None
    length: int | None

    def __iter__(self) -> Iterator[Batch]:
        """Yields the batches.

        Raises:
            DataError: The data cannot be read, do not suit the model, or are none at all.
        """
        seen = 0
        for batch in self._batches():
            if self.fixed_batch and batch.size < self.batch_size:
                raise DataError(
                    "data",
                    f"{seen + batch.size} samples do not divide into the model's fixed batches of {self.batch_size}",
                    where=self.spec,
                    remedy=f"use --samples with a multiple of {self.batch_size}, or a model with a dynamic batch",
                )
            seen += batch.size
            yield batch
        if not seen:
            raise DataError("data", "there are no samples", where=self.spec)

    def whole_batches(self) -> Iterator[Batch]:
        """Yields the batches without the last one if that has fewer samples; maybe none.

        Raises:
            DataError: The data cannot be read or do not suit the model.
        """
        return (batch for batch in self._batches() if batch.size == self.batch_size)

    def _batches(self) -> Iterator[Batch]:
        checked = (_checked(batch, self.inputs, self.spec) for batch in self.read())
        return _regrouped(checked, self.batch_size, self.samples)


def _regrouped(batches: Iterable[Batch], size: int, samples: int | None) -> Iterator[Batch]:
    """The same samples, at most `samples`, in batches of `size`; the last one may be smaller."""
    pending: list[Batch] = []
    waiting = 0
    taken = 0
    for batch in batches:
        if samples is not None:
            batch = batch.take(slice(samples - taken))
        taken += batch.size
        pending.append(batch)
        waiting += batch.size
        if waiting >= size:
            joined = _joined(pending)
            whole = waiting - waiting % size
            yield from (joined.take(slice(start, start + size)) for start in range(0, whole, size))
            pending = [joined.take(slice(whole, None))]
            waiting -= whole
        if taken == samples:
            break
    if waiting:
        yield _joined(pending)


def _joined(batches: list[Batch]) -> Batch:
    batches = [batch for batch in batches if batch.size] or batches[:1]
    if len(batches) == 1:
        return batches[0]
    try:
        inputs = {name: np.concatenate([batch.inputs[name] for batch in batches]) for name in batches[0].inputs}
    except ValueError as error:
        raise DataError("data", f"the batches differ in more than their numbers of samples ({error})") from error
    labels = [batch.labels for batch in batches if batch.labels is not None]
    if len(labels) not in (0, len(batches)):
        raise DataError("data", "some batches have labels and others have none")
    return Batch(inputs, np.concatenate(labels) if labels else None)


def _checked(batch: Batch, inputs: tuple[ModelInput, ...], spec: str) -> Batch:
    """The batch with the model's inputs only and int64 labels; raises DataError if it does not suit the model."""
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
    if array.dtype != entry.dtype:
        remedy = f"convert it with .astype('{entry.dtype}')"
        raise DataError("data", f"dtype {array.dtype} is not the model's {entry.dtype}", where=where, remedy=remedy)
    return array
