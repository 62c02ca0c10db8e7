"""Takes the time of contenders in turn: callables → milliseconds of each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Contender = Callable[[], object]

QUIET = 0.05
"""The share of the cores' time that other processes may take in a round."""

_LEAST_ROUNDS = 5
_PATIENCE = 3  # times as many rounds, where others disturb them
_STATISTICS = Path("/proc/stat")
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
        others: The share of the cores' time that other processes took in the rounds of these runs, at most.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    rounds: int
    others: float = 0.0


def interleaved(contenders: Mapping[str, Contender], effort: Effort, seed: int = 0) -> dict[str, Times]:
    """Times one run of every contender per round, in an order that is drawn anew for each, so that none always comes
    behind the same one.

    Before each timed run the contender rests, until the threads of the one before have ceased to spin (GNU OpenMP's do
    so for 12 ms), and is run without being timed for longer than it takes the scheduler to give woken threads a core
    each (20 ms were seen, in which two threads of a session shared one of two cores).

    A round in which others took more than QUIET of the cores' time is done again, and does not count unless that
    happens to two of three.

    Args:
        contenders: Name → what to run.
        effort: How many rounds.
        seed: Of the order.
    """
    generator = np.random.default_rng(seed)
    names = list(contenders)
    rounds: list[tuple[float, dict[str, float]]] = []
    begin = time.perf_counter()
    while True:
        quiet = sum(others <= QUIET for others, _ in rounds)
        enough = effort.rounds if time.perf_counter() - begin <= effort.seconds else min(_LEAST_ROUNDS, effort.rounds)
        if quiet >= enough or len(rounds) >= _PATIENCE * enough:
            break
        others = _OthersTime()
        times = {names[index]: _timed(contenders[names[index]]) for index in generator.permutation(len(names))}
        rounds.append((others.share(), times))
    # Which rounds count does not depend on the times in them.
    rounds.sort(key=lambda each: each[0])
    rounds = rounds[: max(quiet, enough)]
    return {name: summary([times[name] for _, times in rounds], others=rounds[-1][0]) for name in names}


def _timed(contender: Contender) -> float:
    """Milliseconds of a run, once it has rested and is warm."""
    time.sleep(_REST_SECONDS)
    ready = time.perf_counter() + _WARMUP_SECONDS
    contender()
    while time.perf_counter() < ready:
        contender()
    start = time.perf_counter()
    contender()
    return (time.perf_counter() - start) * 1e3


class _OthersTime:
    """What other processes, the system and a virtual machine's host take of the cores' time from here on."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._taken = _taken_seconds()

    def share(self) -> float:
        """As a share of all cores' time; within some percent, since the system counts in ticks."""
        seconds = (time.perf_counter() - self._start) * (os.cpu_count() or 1)
        return max(0.0, _taken_seconds() - self._taken) / seconds


def _taken_seconds() -> float:
    """All cores' busy and stolen time but this process's; 0 where the system does not tell."""
    if not _STATISTICS.exists():
        return 0.0
    user, nice, system, _, _, interrupts, soft_interrupts, stolen, *_ = _STATISTICS.read_text().split()[1:]
    busy = sum(map(int, (user, nice, system, interrupts, soft_interrupts, stolen)))
    return busy / os.sysconf("SC_CLK_TCK") - time.process_time()


def summary(values: Sequence[float], others: float = 0.0) -> Times:
    """Of runs' milliseconds."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return Times(float(median), float(low), float(high), len(values), others)
