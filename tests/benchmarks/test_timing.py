from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import timing
from benchmarks.timing import Effort, Times, interleaved


class Clock:
    """Time that only the contenders make pass; a rest begins a turn. `others` have taken time of the cores, too."""

    def __init__(self) -> None:
        self.now = 0.0
        self.others = 0.0
        self.turns: list[list[str]] = []

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.turns.append([])

    def contender(self, name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.now += seconds
            self.turns[-1].append(name)

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    monkeypatch.setattr(timing, "_taken_seconds", lambda: clock.others)
    monkeypatch.setattr(timing.os, "cpu_count", lambda: 2)
    return clock


def test_each_round_has_a_turn_of_each_contender_in_varying_order(clock: Clock) -> None:
    names = "abcd"
    times = interleaved({name: clock.contender(name, 1) for name in names}, Effort(rounds=20, seconds=1e9))
    assert {measured.rounds for measured in times.values()} == {20}
    assert all(set(turn) == {turn[0]} and len(turn) == 2 for turn in clock.turns)  # one run to warm up
    orders = ["".join(turn[0] for turn in clock.turns[start : start + 4]) for start in range(0, 80, 4)]
    assert all(sorted(order) == list(names) for order in orders)
    assert len(set(orders)) > 10


def test_short_runs_are_warmed_up_for_longer(clock: Clock) -> None:
    interleaved({"a": clock.contender("a", 0.001)}, Effort(rounds=1))
    assert len(clock.turns[0]) > 3


def test_times_are_medians_in_milliseconds(clock: Clock) -> None:
    contenders = {"slow": clock.contender("slow", 0.25), "fast": clock.contender("fast", 0.125)}
    times = interleaved(contenders, Effort(rounds=3))
    assert (times["slow"].median_ms, times["fast"].median_ms) == (250, 125)
    assert (times["fast"].low_ms, times["fast"].high_ms) == (125, 125)


@pytest.mark.parametrize(("seconds", "rounds"), [(0, 5), (15, 8), (1e9, 30)])
def test_time_limits_the_rounds(clock: Clock, seconds: float, rounds: int) -> None:
    times = interleaved({"a": clock.contender("a", 1)}, Effort(rounds=30, seconds=seconds))
    assert times["a"].rounds == rounds


def disturbed(clock: Clock, shares: list[float], effort: Effort) -> Times:
    """The times of rounds in which others take these shares of two cores; a run takes 1 s, and as much longer."""
    rounds = iter(shares)

    def run() -> None:
        if len(clock.turns[-1]) == 1:  # the timed one
            share = next(rounds)
            clock.now += share
            clock.others += 2 * share * (2 + share)
        clock.contender("a", 1)()

    return interleaved({"a": run}, effort)["a"]


def test_rounds_that_others_disturb_are_done_again(clock: Clock) -> None:
    times = disturbed(clock, [0.2, 0.0, 0.3, 0.04, 0.0, 0.0, 0.5, 0.0], Effort(rounds=5))
    assert len(clock.turns) == 8
    assert (times.median_ms, times.rounds) == (1000, 5)
    assert times.others == pytest.approx(0.04)


def test_the_quietest_rounds_count_where_few_are_quiet(clock: Clock) -> None:
    shares = [round(0.9 - share / 20, 2) for share in range(15)]
    times = disturbed(clock, shares, Effort(rounds=5))
    assert (times.median_ms, times.rounds) == (pytest.approx(1300), 5)
    assert times.others == pytest.approx(0.4)


def test_what_others_take_is_what_this_process_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    statistics = tmp_path / "stat"
    monkeypatch.setattr(timing, "_STATISTICS", statistics)
    monkeypatch.setattr(timing.time, "process_time", lambda: 2.0)
    assert timing._taken_seconds() == 0
    ticks = os.sysconf("SC_CLK_TCK")
    statistics.write_text(" ".join(map(str, ["cpu ", *(ticks << place for place in range(8)), 5, 5])) + "\ncpu0 1 2\n")
    assert timing._taken_seconds() == 1 + 2 + 4 + 32 + 64 + 128 - 2  # but idle, and waiting for a disk


def test_the_system_tells_what_others_take() -> None:
    before = timing._taken_seconds()
    work = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", work], check=True)
    assert timing._taken_seconds() - before > 0.4
