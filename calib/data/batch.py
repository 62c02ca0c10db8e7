"""Batches of samples: what all kinds of data yield and all models are fed with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.errors import DataError

Positions = npt.NDArray[np.intp]
"""Of samples, from 0."""


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


def joined(batches: list[Batch]) -> Batch:
    """The batches' samples, of which there is at least one batch, as one batch.

    Raises:
        DataError: The arrays do not fit together, or some batches only have labels.
    """
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


def regrouped(batches: Iterable[Batch], size: int, samples: int | None) -> Iterator[Batch]:
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
            whole_batch = joined(pending)
            whole = waiting - waiting % size
            yield from (whole_batch.take(slice(start, start + size)) for start in range(0, whole, size))
            pending = [whole_batch.take(slice(whole, None))]
            waiting -= whole
        if taken == samples:
            break
    if waiting:
        yield joined(pending)
