"""What a command says on stderr: start and finish lines, progress, log and error messages."""

from __future__ import annotations

import logging
import math
import os
import sys
import time

import click

_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.1
"""The least time between two states of a bar: what is timed must not wait for a terminal."""


class Terminal:
    """The stderr side of one command.

    Args:
        command: The subcommand's name.
        version: zaponnx's version.
        verbosity: -1 shows errors only, 0 start and finish and, on a terminal, progress bars; 1 logs as well.
    """

    def __init__(self, command: str, version: str, verbosity: int) -> None:
        self.command = command
        self.verbosity = verbosity
        self._start = time.monotonic()
        self._step = ""
        self._step_start = self._drawn = self._start
        self._done_before = 0  # of the step, when it was first heard of
        self._bar = verbosity >= 0 and sys.stderr.isatty()
        self._say(f"zaponnx {version} {command}")
        logging.basicConfig(level=logging.INFO if verbosity > 0 else logging.ERROR, format="%(name)s: %(message)s")
        if verbosity == 0:
            logging.getLogger("zaponnx").setLevel(logging.WARNING)  # unlike those of others, ours are for the user
        logging.captureWarnings(True)  # as logged warnings, which only a verbose command shows

    def progress(self, step: str, done: int, total: int | None) -> None:
        """A `zaponnx.progress.Progress`: a bar on a terminal, a line for each new step if verbose."""
        now = time.monotonic()
        if new := step != self._step:
            self._step, self._step_start, self._done_before = step, now, done
        if self._bar:
            if new or done == total or now - self._drawn >= _REDRAW_SECONDS:
                self._drawn = now
                self._draw(done, total, now - self._step_start)
        elif self.verbosity > 0 and new:
            click.echo(step, err=True)

    def _draw(self, done: int, total: int | None, seconds: float) -> None:
        """The bar, the step and, as soon as its pace is known, the time that is left; cut to the terminal's width."""
        filled = min(_BAR_WIDTH * done // total, _BAR_WIDTH) if total else 0
        line = f"{'█' * filled}{'·' * (_BAR_WIDTH - filled)} {self._step} {done}{f'/{total}' if total else ''}"
        progressed = done - self._done_before
        if total and progressed > 0 and done < total:
            line += f", {_duration(seconds * (total - done) / progressed)} left"
        click.echo(f"\r\x1b[K{line[: _columns() - 1]}", err=True, nl=False)

    def finish(self, outcome: str) -> None:
        """The last line: the outcome and the run time."""
        self.clear_bar()
        self._say(f"zaponnx {self.command}: {outcome} in {time.monotonic() - self._start:.1f} s")

    def error(self, message: str) -> None:
        """An error message."""
        self.clear_bar()
        click.echo(f"Error: {message}", err=True)

    def clear_bar(self) -> None:
        """Takes the progress bar off the screen."""
        if self._bar and self._step:
            click.echo("\r\x1b[K", err=True, nl=False)

    def _say(self, line: str) -> None:
        if self.verbosity >= 0:
            click.echo(line, err=True)


def _columns() -> int:
    """The width of the terminal that stderr is, 80 where it does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:  # io.UnsupportedOperation, for one
        return 80


def _duration(seconds: float) -> str:
    """Seconds, rounded up, as 0:05, 12:34 or 1:02:03."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
