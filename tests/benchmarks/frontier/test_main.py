"""What is measured: everything without fine-tuning, the default and the paper's better pattern with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.frontier import __main__ as program
from benchmarks.frontier.measuring import START, Frontier, Point
from benchmarks.frontier.methods import Finetuning
from zaponnx.progress import silent

SAVINGS = {"plain-B": 0.2, "plain-D": 0.1, "output": 0.25, "default": 0.3}


class Measured:
    """In place of Measuring: frontiers that are known."""

    begins: list[tuple[int, str, Finetuning | None, float]]

    def __init__(self, network: object, seed: int, *_: object) -> None:
        self._seed = seed

    def frontier(self, method: str, *, finetuning: Finetuning | None = None, begin: float) -> Frontier:
        self.begins.append((self._seed, method, finetuning, begin))
        saving = SAVINGS[method] + 0.1 * (finetuning is not None)
        return Frontier("digits", method, self._seed, finetuning, 0.9, (Point(2 * saving, 2 * saving, 0.88),))


def test_fine_tuning_is_measured_where_it_is_asked_for_and_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Measured, "begins", [], raising=False)
    monkeypatch.setattr(program, "Measuring", Measured)
    frontiers = list(program._frontiers("digits", list(SAVINGS), 2, 1, Path("cache"), silent))
    found = [(each.seed, each.method, each.finetuning) for each in frontiers if each.finetuning]
    assert found == [(0, "plain-B", "published"), (0, "plain-B", "default"), (0, "default", "default")]
    assert len(frontiers) == 2 * len(SAVINGS) + 3
    begins = {measured[:-1]: measured[-1] for measured in Measured.begins}
    assert begins[0, "default", None] == START
    assert begins[1, "default", None] == pytest.approx(0.3)
    assert begins[0, "default", "default"] == pytest.approx(0.3)
