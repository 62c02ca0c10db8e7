import logging
import os
import sys
from collections.abc import Iterator

import pytest

from zaponnx.terminal import Terminal


@pytest.fixture(autouse=True)
def warnings_as_before() -> Iterator[None]:
    """A Terminal turns warnings into log messages."""
    yield
    logging.captureWarnings(False)


def test_start_and_finish(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal("fit", "1.2.3", 0).finish("done")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("zaponnx 1.2.3 fit\nzaponnx fit: done in 0.")


def test_progress_is_a_bar_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Terminal("fit", "1", 0).progress("step", 1, 2)
    assert "step" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    terminal = Terminal("fit", "1", 0)
    terminal.progress("step", 1, 2)
    terminal.progress("other", 3, None)
    terminal.error("broken")
    bar, unknown, error = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert bar == "█" * 12 + "·" * 12 + " step 1/2"
    assert unknown.endswith(" other 3")
    assert error == "Error: broken\n"


class Clock:
    """The time in seconds, to be set."""

    now = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("zaponnx.terminal.time.monotonic", lambda: clock.now)
    return clock


def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A command's stderr that is a terminal of 60 columns."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2)
    monkeypatch.setattr("zaponnx.terminal.os.get_terminal_size", lambda descriptor: os.terminal_size((60, 24)))
    return Terminal("fit", "1", 0)


def test_the_time_that_is_left_follows_from_the_pace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """Of what was done since the step began: what was there before, as after an interrupt, took no time."""
    terminal = wide_terminal(monkeypatch)
    for done, seconds in ((10, 0), (20, 5), (25, 107.5), (100, 200)):
        clock.now = seconds
        terminal.progress("step", done, 100)
    bars = capsys.readouterr().err.split("\r\x1b[K")[1:]
    ends = [bar.partition(" step ")[2] for bar in bars]
    assert ends == ["10/100", "20/100, 0:40 left", "25/100, 8:58 left", "100/100"]


def test_hours_are_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    terminal = wide_terminal(monkeypatch)
    terminal.progress("step", 0, 1000)
    clock.now = 10
    terminal.progress("step", 1, 1000)
    assert capsys.readouterr().err.endswith("1/1000, 2:46:30 left")


def test_a_bar_is_not_drawn_more_often_than_seen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    terminal = wide_terminal(monkeypatch)
    for done in range(1, 1001):
        clock.now = done / 1000
        terminal.progress("step", done, 1000)
    bars = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert 5 <= len(bars) <= 12
    assert bars[-1] == "█" * 24 + " step 1000/1000"


def test_a_bar_is_never_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide_terminal(monkeypatch).progress("evaluating " + "a" * 100, 1, 2)
    assert len(capsys.readouterr().err.split("\r\x1b[K")[1]) == 59


def test_verbose_names_each_step_once(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal("fit", "1", 1)
    for step, done in (("first", 1), ("first", 2), ("second", 1)):
        terminal.progress(step, done, 2)
    assert capsys.readouterr().err.splitlines()[1:] == ["first", "second"]


def test_quiet_shows_errors_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    terminal = Terminal("fit", "1", -1)
    terminal.progress("step", 1, 2)
    terminal.error("broken")
    terminal.finish("failed")
    assert capsys.readouterr().err == "Error: broken\n"


def test_own_warnings_are_shown_unless_quiet() -> None:
    """Those of other packages are for a verbose command."""
    logger = logging.getLogger("zaponnx")
    before = logger.level
    try:
        logger.setLevel(logging.NOTSET)
        Terminal("fit", "1", -1)
        assert logger.level == logging.NOTSET
        Terminal("fit", "1", 0)
        assert logger.isEnabledFor(logging.WARNING)
        assert not logger.isEnabledFor(logging.INFO)
    finally:
        logger.setLevel(before)
