"""Bisection, and the partial file of what was run."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import pytest

from zaponnx.calib.partial_file import PartialFile
from zaponnx.calib.trials import Trials, last_of_leading
from zaponnx.chosen_point import Trial
from zaponnx.stopwatch import PairedTimes

FIRST = Trial(0.0, 0.0, top1=0.875)
SECOND = Trial(0.5, 0.25, times=PairedTimes(2.0, 1.0, 1.0, 0.1))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 100])
def test_bisection_finds_the_last_and_asks_few(count: int) -> None:
    for last in range(-1, count):
        asked: list[int] = []

        def holds(number: int, last: int = last, asked: list[int] = asked) -> bool:
            asked.append(number)
            return number <= last

        assert last_of_leading(count, holds) == last
        assert len(asked) == len(set(asked)) <= math.ceil(math.log2(count + 1))
        assert last in asked or last == -1


def forbidden() -> Trial:
    raise AssertionError("it is run again")


def test_what_was_run_is_kept_and_not_run_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = PartialFile(tmp_path / "m.zapfit.json", "fit", {"seed": 0})
    trials = Trials(file)
    assert trials.of("first", lambda: FIRST) == trials.of("first", forbidden) == FIRST
    trials.of("second", lambda: SECOND)
    assert trials.used == (FIRST, SECOND)
    assert "going on" not in caplog.text
    again = Trials(PartialFile(tmp_path / "m.zapfit.json", "fit", {"seed": 0}))
    assert "going on from" in caplog.text
    assert "2 models are done" in caplog.text
    assert again.of("second", forbidden) == SECOND
    assert again.used == (SECOND,), "only what was asked for"
    file.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["flipped", "empty", "older", "foreign", "a directory"])
def test_a_damaged_file_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    file = PartialFile(tmp_path / "m.zapfit.json", "fit", {})
    Trials(file).of("first", lambda: FIRST)
    content = bytearray(file.path.read_bytes())
    content[len(content) // 2] ^= 255
    older = file.path.read_bytes().replace(b"checkpoint 2", b"checkpoint 1", 1)
    damaged = {"flipped": bytes(content), "empty": b"", "older": older, "foreign": b"{}"}
    file.path.unlink()
    if damage in damaged:
        file.path.write_bytes(damaged[damage])
    else:
        file.path.mkdir()
    with caplog.at_level(logging.WARNING):
        trials = Trials(file)
    assert "starting anew" in caplog.text
    assert trials.used == ()
    if damage in damaged:
        assert trials.of("first", lambda: SECOND) == SECOND


def test_a_file_of_other_settings_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Trials(PartialFile(tmp_path / "m.zapfit.json", "fit", {"seed": 0})).of("first", lambda: FIRST)
    trials = Trials(PartialFile(tmp_path / "m.zapfit.json", "fit", {"seed": 1}))
    assert "m.zapfit.json.partial is of another seed: starting anew" in caplog.text
    assert trials.of("first", lambda: SECOND) == SECOND
