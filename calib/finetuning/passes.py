"""Passes over the data of fine-tuning: in a random order, and told to the user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from zaponnx.calib.data import Batch, DataSource
from zaponnx.calib.data.batch import Positions, joined, regrouped
from zaponnx.calib.data.source import Indexed, Stream
from zaponnx.calib.data.suiting import suited
from zaponnx.calib.finetuning.equality import Inputs
from zaponnx.errors import DataError
from zaponnx.progress import Progress

_STATISTICS_SAMPLES = 16384  # enough for means and variances
_STRETCH_BYTES = 512 * 2**20


class Passes:
    """Starts passes over a data set.

    Args:
        source: The data set.
        epochs: How many epochs there will be.
        seed: Of the order.
        progress: Told about samples done, per pass.

    Attributes:
        samples: How many samples the last epoch had.
    """

    def __init__(self, source: DataSource, epochs: int, seed: int, progress: Progress) -> None:
        self._source = source
        self._epochs = epochs
        self._seed = seed
        self._progress = progress
        self.samples = 0

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of an epoch, counted from 0; each has an order of its own."""
        self.samples = 0
        for batch in self._told(shuffled(self._source, self._seed, number), f"epoch {number + 1}/{self._epochs}"):
            self.samples += batch.size
            yield batch

    def statistics(self, step: str) -> Iterator[Inputs]:
        """The inputs of some 16,000 samples, the same in every pass, in batches of two at least.

        Raises:
            DataError: There is no such batch.
        """
        most = _STATISTICS_SAMPLES - _STATISTICS_SAMPLES % self._source.batch_size
        samples = min(self._source.samples or most, most)
        length = None if self._source.length is None else min(self._source.length, samples)
        source = replace(shuffled(self._source, self._seed), samples=samples, length=length)
        none = True
        for batch in self._told(source, step):
            if batch.size > 1:
                none = False
                yield batch.inputs
        if none:
            remedy = "give more samples, a larger --batch-size or a model with a dynamic batch, or use --no-reestimate"
            raise DataError("finetune", "no statistics can be estimated from single samples", remedy=remedy)

    def _told(self, source: DataSource, step: str) -> Iterator[Batch]:
        done = 0
        for batch in source:
            yield batch
            done += batch.size
            self._progress(step, done, source.length)


def shuffled(source: DataSource, *seed: int) -> DataSource:
    """The same samples in a random order; those that can be read one after the other only, in stretches of 512 MiB."""
    generator = np.random.default_rng(seed)
    if isinstance(source.data, Indexed):
        count = source.data.length if source.samples is None else min(source.data.length, source.samples)
        return replace(source, data=Indexed(count, partial(_fetch, source.data, generator.permutation(count))))
    return replace(source, data=partial(_stretches, source, source.data, generator))


def _fetch(data: Indexed, order: Positions, positions: Positions) -> Batch:
    return data.fetch(order[positions])


def _stretches(source: DataSource, read: Stream, generator: np.random.Generator) -> Iterator[Batch]:
    """A pass in stretches of samples, each in a random order."""
    stretch: list[Batch] = []
    checked = (suited(batch, source.inputs, source.spec) for batch in read())
    for batch in regrouped(checked, source.batch_size, source.samples):
        stretch.append(batch)
        if sum(array.nbytes for each in stretch for array in each.inputs.values()) >= _STRETCH_BYTES:
            yield _permuted(joined(stretch), generator)
            stretch = []
    if stretch:
        yield _permuted(joined(stretch), generator)


def _permuted(batch: Batch, generator: np.random.Generator) -> Batch:
    return batch.take(generator.permutation(batch.size))
