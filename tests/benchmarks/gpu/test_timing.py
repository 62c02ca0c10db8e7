"""Times in turn, and how often a run is repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.gpu.timing import interleaved, runs_in_graph
from benchmarks.timing import Effort


def contenders(order: list[str]) -> dict[str, Callable[[], float]]:
    """Of which "a" takes 1, 2, 3 ... ms."""

    def run(name: str) -> float:
        order.append(name)
        return float(order.count("a")) if name == "a" else 7.0

    return {name: lambda name=name: run(name) for name in "abc"}  # type: ignore[misc]


def test_each_round_begins_with_another_contender() -> None:
    order: list[str] = []
    found = interleaved(contenders(order), Effort(rounds=7, seconds=1000))
    assert "".join(order) == "abcbcacababcbcacababc"
    assert (found["a"].median_ms, found["a"].rounds, found["b"].median_ms) == (4.0, 7, 7.0)


def test_without_time_there_are_five_rounds() -> None:
    assert interleaved(contenders([]), Effort(rounds=100, seconds=0))["c"].rounds == 5


@pytest.mark.parametrize(("ms", "runs"), [(0.0, 50), (0.004, 50), (0.3, 4), (1.0, 1), (9.0, 1)])
def test_short_runs_are_repeated_in_a_graph(ms: float, runs: int) -> None:
    assert runs_in_graph(ms) == runs
