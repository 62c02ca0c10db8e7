"""The passes over the data: reads samples, gives the sites' outputs part by part, from where an interrupted run was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from torch import Tensor

from zaponnx.calib.capture import Capture
from zaponnx.calib.checkpoint import Checkpoint, Place
from zaponnx.calib.data import Batch, DataSource
from zaponnx.calib.data.batch import Positions
from zaponnx.calib.sharing import HOLD_OUT, Plan, Share
from zaponnx.errors import DataError
from zaponnx.progress import Progress

Shares = Callable[[int, int], Iterator[Share]]
T = TypeVar("T")

_REFINING = 4  # backward, torch keeps several tensors for each site's output that is captured


@dataclass(frozen=True)
class Part:
    """Samples that memory holds the sites' outputs of.

    Attributes:
        outputs: The sites' post-ReLU outputs for this process's samples, float32 (N, M, H, W) each, N from 0.
        count: All processes' samples.
    """

    outputs: list[Tensor]
    count: int


@dataclass(frozen=True)
class Samples:
    """Samples that memory holds a run of the network and its gradient for.

    Attributes:
        batch: This process's, None if it has none.
        count: All processes' samples.
    """

    batch: Batch | None
    count: int


class Passes:
    """The passes over a data set.

    Args:
        capture: The model.
        source: The data.
        batch_size: Samples that are read, and permuted, together.
        plan: Which samples are used for what.
        checkpoint: Kept as the passes go on.
        progress: Told about samples done, per pass.

    Attributes:
        samples: Those of a pass, once one is done.
    """

    def __init__(
        self,
        capture: Capture,
        source: DataSource,
        batch_size: int,
        plan: Plan,
        checkpoint: Checkpoint,
        progress: Progress,
    ) -> None:
        self._capture = capture
        self._source = source
        self._batch_size = batch_size
        self._plan = plan
        self._checkpoint = checkpoint
        self._progress = progress
        self.samples = 0

    def training(self, number: int, step: str) -> Iterator[Part]:
        """The samples that are not held out, no part across the end of an optimiser step.

        Args:
            number: Of the pass; the calibration's passes are numbered from 0.
            step: Its name, for the progress.
        """
        return self._parts(number, step, lambda start, size: self._plan.training(number, start, size), self._captured)

    def refining(self, number: int, epoch: int, step_samples: int) -> Iterator[Samples]:
        """The samples of `training` pass `epoch`, in steps of another size; who takes them is to tell the progress."""
        plan = replace(self._plan, step_samples=step_samples)
        return self._parts(number, "", lambda start, size: plan.training(epoch, start, size), self._divided)

    def measuring(self, number: int, step: str) -> Iterator[Part]:
        """The samples that are held out; arguments as in `training`."""
        return self._parts(number, step, self._plan.measuring, self._captured)

    def _parts(
        self, number: int, step: str, shares: Shares, divided: Callable[[Batch, Iterator[Share]], Iterator[T]]
    ) -> Iterator[T]:
        done = self._checkpoint.samples_done(number)

        def choose(start: int, size: int) -> Positions:
            chosen = [share.samples for share in shares(start, size)] if start >= done else []
            return np.concatenate(chosen) if chosen else np.array([], np.intp)

        seen = 0
        for block in self._source.blocks(choose, self._batch_size):
            seen += block.size
            if block.start < done:
                continue
            if block.chosen is not None:
                yield from divided(block.chosen, shares(block.start, block.size))
            if step:
                self._progress(step, seen, self._source.length)
            self._checkpoint.keep(Place(number, seen))
        self.samples = seen
        if seen < HOLD_OUT:
            problem = f"{seen} samples are too few: every {HOLD_OUT}th is held out to measure the curves"
            raise DataError("calibrate", problem, where=self._source.spec, remedy=f"give at least {HOLD_OUT} samples")

    def _captured(self, chosen: Batch, shares: Iterator[Share]) -> Iterator[Part]:
        """The outputs for the shares, of which `chosen` has the samples one after the other."""
        for samples, mine, count in self._cut(chosen, shares, self._capture.samples_per_run(chosen)):
            # Without any of its own a process takes part with none of another sample's outputs.
            outputs = self._capture.run(samples.take(mine if len(mine) else slice(1)))
            yield Part([output[: len(mine)] for output in outputs], count)

    def _divided(self, chosen: Batch, shares: Iterator[Share]) -> Iterator[Samples]:
        """The samples of the shares, likewise."""
        for samples, mine, count in self._cut(chosen, shares, self._capture.samples_per_run(chosen) // _REFINING):
            yield Samples(samples.take(mine) if len(mine) else None, count)

    def _cut(
        self, chosen: Batch, shares: Iterator[Share], samples_per_run: int
    ) -> Iterator[tuple[Batch, Positions, int]]:
        """Cuts shares into what memory holds: a share's samples, which of them are this process's, and all's number."""
        processes = self._plan.size
        limit = max(1, samples_per_run // processes)  # of each process in a part
        start = 0
        for share in shares:
            samples = chosen.take(slice(start, start + len(share.samples)))
            start += samples.size
            for begin in range(0, -(-share.count // processes), limit):
                mine = np.arange(begin, min(begin + limit, share.own))
                yield samples, mine, min(share.count - begin * processes, limit * processes)
