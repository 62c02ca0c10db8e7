import logging
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
    terminal.progress("step", 3, None)
    terminal.error("broken")
    bar, unknown, error = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert bar == "█" * 12 + "·" * 12 + " step 1/2"
    assert unknown.endswith(" step 3")
    assert error == "Error: broken\n"


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
