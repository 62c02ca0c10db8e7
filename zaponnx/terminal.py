"""What a command says on stderr: start and finish lines, progress, log and error messages."""

from __future__ import annotations

import logging
import sys
import time

import click

_BAR_WIDTH = 24


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
        self._bar = verbosity >= 0 and sys.stderr.isatty()
        self._say(f"zaponnx {version} {command}")
        logging.basicConfig(level=logging.INFO if verbosity > 0 else logging.ERROR, format="%(name)s: %(message)s")
        if verbosity == 0:
            logging.getLogger("zaponnx").setLevel(logging.WARNING)  # unlike those of others, ours are for the user
        logging.captureWarnings(True)  # as logged warnings, which only a verbose command shows

    def progress(self, step: str, done: int, total: int | None) -> None:
        """A `zaponnx.progress.Progress`: a bar on a terminal, a line for each new step if verbose."""
        if self._bar:
            filled = _BAR_WIDTH * done // total if total else 0
            count = f"{done}/{total}" if total else str(done)
            bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
            click.echo(f"\r\x1b[K{bar} {step} {count}", err=True, nl=False)
        elif self.verbosity > 0 and step != self._step:
            click.echo(step, err=True)
        self._step = step

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
