"""The stream of batches that all kinds of data become: cut to size, checked, repeatable, read in part or in whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from zaponnx.calib.data.batch import Batch, Positions, joined, regrouped
from zaponnx.calib.data.inputs import ModelInput
from zaponnx.calib.data.suiting import suited
from zaponnx.calib.data.workers import mapped
from zaponnx.errors import DataError

Choice = Callable[[int, int], Positions]
"""For a block's start and size, the samples of it that are wanted, from 0, in the order in which they are."""


@dataclass(frozen=True)
class Indexed:
    """Samples each of which can be read on its own.

    Attributes:
        length: How many there are.
        fetch: Reads those at some positions. It is sent to worker processes, so that it must be picklable.
    """

    length: int
    fetch: Callable[[Positions], Batch]


Stream = Callable[[], Iterable[Batch]]
"""Starts a pass over samples that can be read one after the other only, in batches of any size."""


@dataclass(frozen=True)
class Block:
    """A part of a pass.

    Attributes:
        start: The position of its first sample in the pass.
        size: Its samples, fewer in the last block than in the others.
        chosen: Those of them that were chosen; None if none was.
    """

    start: int
    size: int
    chosen: Batch | None


@dataclass(frozen=True)
class DataSource:
    """A data set. Every iteration starts a new pass and yields the same batches in the same order.

    Attributes:
        spec: What the user asked for.
        split: The part of the data that it reads; None where the SPEC has no splits.
        inputs: The model's inputs that it feeds.
        data: The samples.
        batch_size: Samples per batch; the last batch may have fewer.
        fixed_batch: Whether the model can only run whole batches.
        samples: Upper limit of samples per pass, None for all.
        length: Samples per pass, None where only a pass can tell.
        workers: Processes that read `Indexed` data; 0 reads in this one. The batches are the same.
    """

    spec: str
    split: str | None
    inputs: tuple[ModelInput, ...]
    data: Indexed | Stream
    batch_size: int
    fixed_batch: bool
    samples: int | None
    length: int | None
    workers: int = 0

    def __iter__(self) -> Iterator[Batch]:
        """Yields the batches.

        Raises:
            DataError: The data cannot be read, do not suit the model, or are none at all.
        """
        return (block.chosen for block in self.every(1, 0) if block.chosen is not None)

    def every(self, turns: int, turn: int) -> Iterator[Block]:
        """Yields all blocks, of which every `turns`-th, beginning with number `turn`, has its samples.

        Raises:
            DataError: As when iterating.
        """

        def whole_block(start: int, size: int) -> Positions:
            return np.arange(size if start // self.batch_size % turns == turn else 0)

        for block in self.blocks(whole_block, self.batch_size):
            if self.fixed_batch and block.size < self.batch_size:
                raise DataError(
                    "data",
                    f"{block.start + block.size} samples do not divide into the model's fixed batches of "
                    f"{self.batch_size}",
                    where=self.spec,
                    remedy=f"use --samples with a multiple of {self.batch_size}, or a model with a dynamic batch",
                )
            yield block

    def whole_batches(self) -> Iterator[Batch]:
        """Yields the batches without the last one if that has fewer samples; maybe none.

        Raises:
            DataError: The data cannot be read or do not suit the model.
        """
        whole = self.batch_size
        blocks = self._blocks(lambda _, size: np.arange(size if size == whole else 0), whole)
        return (block.chosen for block in blocks if block.chosen is not None)

    def blocks(self, choose: Choice, block_size: int) -> Iterator[Block]:
        """Yields all blocks of a pass, each with the samples that are chosen of it; others are not decoded.

        Args:
            choose: Asked for each block, in their order, ahead of what is yielded.
            block_size: Samples per block, whatever the model prescribes.

        Raises:
            DataError: The data cannot be read, do not suit the model, or are none at all.
        """
        empty = True
        for block in self._blocks(choose, block_size):
            empty = False
            yield block
        if empty:
            raise DataError("data", "there are no samples", where=self.spec)

    def _blocks(self, choose: Choice, block_size: int) -> Iterator[Block]:
        if isinstance(self.data, Indexed):
            return self._fetched(self.data, choose, block_size)
        return self._picked(self.data, choose, block_size)

    def _fetched(self, data: Indexed, choose: Choice, block_size: int) -> Iterator[Block]:
        length = data.length if self.samples is None else min(data.length, self.samples)
        blocks, ahead = itertools.tee(
            (start, size, start + choose(start, size))
            for start in range(0, length, block_size)
            for size in (min(block_size, length - start),)
        )
        pieces = (piece for _, _, wanted in ahead for piece in _pieces(wanted))
        read = mapped(data.fetch, pieces, self.workers)
        for start, size, wanted in blocks:
            batches = [suited(batch, self.inputs, self.spec) for batch in itertools.islice(read, len(_pieces(wanted)))]
            yield Block(start, size, joined(batches) if batches else None)

    def _picked(self, read: Stream, choose: Choice, block_size: int) -> Iterator[Block]:
        start = 0
        batches = (suited(batch, self.inputs, self.spec) for batch in read())
        for batch in regrouped(batches, block_size, self.samples):
            wanted = choose(start, batch.size)
            yield Block(start, batch.size, batch.take(wanted) if len(wanted) else None)
            start += batch.size


_PIECE = 16  # samples that a worker reads at a time


def _pieces(wanted: Positions) -> list[Positions]:
    return [wanted[start : start + _PIECE] for start in range(0, len(wanted), _PIECE)]
