"""Which samples of a pass are used for what, and by which process: functions of their positions and the seed alone.

Every fourth sample is held out from training. The others train in the order of a permutation of each block; every
`step_samples` of a pass are an optimiser step. The processes share each step, so that any number of them takes the same
steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.batch import Positions

HOLD_OUT = 4
"""One sample of so many measures the curves, the others train."""


@dataclass(frozen=True)
class Share:
    """This process's samples of those that belong together.

    Attributes:
        samples: Positions in the block, at least one, since shapes must be known to a process without samples, too.
        own: How many of them count: all, or none.
        count: All processes' samples.
    """

    samples: Positions
    own: int
    count: int


@dataclass(frozen=True)
class Plan:
    """The use of the samples.

    Attributes:
        seed: Of the permutations.
        step_samples: Samples per optimiser step.
        rank, size: This process and how many there are.
    """

    seed: int
    step_samples: int
    rank: int = 0
    size: int = 1

    def training(self, number: int, start: int, size: int) -> Iterator[Share]:
        """This process's shares of the steps of pass `number` that the block of `size` samples from `start` has."""
        chosen = np.flatnonzero(~_held_out(start, size))
        order = np.random.default_rng([self.seed, number, start]).permutation(chosen)
        before = start - start // HOLD_OUT  # samples of the pass that train and come earlier
        first_end = self.step_samples - before % self.step_samples
        ends = [0, *range(first_end, len(order), self.step_samples), len(order)]
        for begin, end in pairwise(ends):
            yield from self._share(order[begin:end])

    def measuring(self, start: int, size: int) -> Iterator[Share]:
        """This process's share of a block's samples that are held out."""
        yield from self._share(np.flatnonzero(_held_out(start, size)))

    def _share(self, together: Positions) -> Iterator[Share]:
        own = together[self.rank :: self.size]
        if len(together):
            yield Share(own if len(own) else together[:1], len(own), len(together))


def _held_out(start: int, size: int) -> npt.NDArray[np.bool_]:
    return np.isin(np.arange(start, start + size) % HOLD_OUT, HOLD_OUT - 1)
