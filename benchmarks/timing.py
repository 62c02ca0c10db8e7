"""Takes the time of contenders in turn: callables → milliseconds of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Contender = Callable[[], object]

_LEAST_ROUNDS = 5
_REST_SECONDS = 0.015
_WARMUP_SECONDS = 0.03


@dataclass(frozen=True)
class Effort:
    """How long to measure: so many rounds, or as many as fit the time, but then at least five.

    Attributes:
        rounds: Runs of each contender.
        seconds: After which no further round is begun.
    """

    rounds: int = 30
    seconds: float = 10


@dataclass(frozen=True)
class Times:
    """Of one contender.

    Attributes:
        median_ms, low_ms, high_ms: The median and the quartiles, in milliseconds.
        rounds: How many runs these are of.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    rounds: int


def interleaved(contenders: Mapping[str, Contender], effort: Effort, seed: int = 0) -> dict[str, Times]:
    """Times one run of every contender per round, in an order that is drawn anew for each, so that none always comes
    behind the same one.

    Before each timed run the contender rests, until the threads of the one before have ceased to spin (GNU OpenMP's do
    so for 12 ms), and is run without being timed for longer than it takes the scheduler to give woken threads a core
    each (20 ms were seen, in which two threads of a session shared one of two cores).

    Args:
        contenders: Name → what to run.
        effort: How many rounds.
        seed: Of the order.
    """
    generator = np.random.default_rng(seed)
    names = list(contenders)
    times: dict[str, list[float]] = {name: [] for name in names}
    begin = time.perf_counter()
    for done in range(effort.rounds):
        if done >= _LEAST_ROUNDS and time.perf_counter() - begin > effort.seconds:
            break
        for index in generator.permutation(len(names)):
            name = names[index]
            time.sleep(_REST_SECONDS)
            ready = time.perf_counter() + _WARMUP_SECONDS
            contenders[name]()
            while time.perf_counter() < ready:
                contenders[name]()
            start = time.perf_counter()
            contenders[name]()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: summary(values) for name, values in times.items()}


def summary(values: Sequence[float]) -> Times:
    """Of runs' milliseconds."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return Times(float(median), float(low), float(high), len(values))
