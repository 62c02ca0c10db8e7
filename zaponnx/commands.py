"""What all commands have in common: some options, and how results, errors and interrupts become output."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, NoReturn

import click

import zaponnx
from zaponnx.errors import InvalidArgument, ZapError
from zaponnx.processes import process_count, process_rank, speaks_of_failure
from zaponnx.terminal import Terminal

_FAILURE, _USAGE, _BUDGET_MISSED, _INTERRUPTED = 1, 2, 3, 130


class Command(click.Command):
    """A subcommand: the options that all have, and the one place where results and exceptions become output.

    Args:
        show: Turns the result into text.
        progress: Whether the function takes a `zaponnx.progress.Progress`.
        shared: Whether torchrun's processes can share the work.
    """

    def __init__(
        self, *args: Any, show: Callable[[Any], str], progress: bool = False, shared: bool = False, **keywords: Any
    ) -> None:
        super().__init__(*args, **keywords)
        self.show = show
        self.progress = progress
        self.shared = shared
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object instead of text."),
            click.Option(["-v", "--verbose"], is_flag=True, help="Log what is done."),
            click.Option(["-q", "--quiet"], is_flag=True, help="Show errors only."),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        ]

    def invoke(self, ctx: click.Context) -> None:
        as_json, verbose, quiet, debug = (ctx.params.pop(name) for name in ("as_json", "verbose", "quiet", "debug"))
        speaks = process_rank() == 0
        name = ctx.command_path.partition(" ")[2]  # the subcommand, as in "zoo list"
        terminal = Terminal(name, zaponnx.__version__, verbose - quiet if speaks else -1)
        if self.progress:
            ctx.params["progress"] = terminal.progress
        outcome, code = "done", 0
        try:
            self._check_processes(name)
            with redirect_stdout(sys.stderr):  # what the user's own code prints
                result = super().invoke(ctx)
            terminal.clear_bar()
            if speaks:
                click.echo(json.dumps(result.to_json(), allow_nan=False) if as_json else self.show(result))
            if getattr(result, "budget_missed", ""):
                outcome, code = "budget missed", _BUDGET_MISSED
            if problem := getattr(result, "problem", ""):
                outcome, code = "failed", _FAILURE
                terminal.error(problem)
        except ZapError as error:
            outcome, code = "failed", _USAGE if isinstance(error, InvalidArgument) else _FAILURE
            if speaks_of_failure():
                terminal.error(traceback.format_exc() if debug else str(error))
        except KeyboardInterrupt:
            outcome, code = "interrupted", _INTERRUPTED
        except (click.ClickException, BrokenPipeError):
            raise
        except Exception as error:  # a bug, and the user must not have to read a traceback to learn that
            outcome, code = "failed", _FAILURE
            remedy = "please report it, with what --debug shows"
            problem = f"{name}: a bug in zaponnx, {type(error).__name__}: {error}; {remedy}"
            if speaks_of_failure():
                terminal.error(traceback.format_exc() if debug else problem)
        terminal.finish(outcome)
        ctx.exit(code)

    def _check_processes(self, name: str) -> None:
        if process_count() > 1 and not self.shared:
            problem = f"{process_count()} processes of torchrun cannot share this"
            raise InvalidArgument(name, problem, remedy="run it without torchrun")


class Flow(click.Group):
    """The subcommands, listed in the order of the flow."""

    def main(self, *args: Any, **keywords: Any) -> NoReturn:
        """Runs the command line as click does, but an interrupt at any time exits as one of a command's own work."""
        try:
            code = super().main(*args, **keywords | {"standalone_mode": False})
        except click.ClickException as error:
            if speaks_of_failure():
                error.show()
            code = error.exit_code
        except click.Abort:
            code = _INTERRUPTED
        sys.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)
