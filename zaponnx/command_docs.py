"""Writes docs/cli.md from the commands' help: `python -m zaponnx.command_docs > docs/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from zaponnx.cli import main

_WIDTH = 80
_PROGRAM = "zaponnx"
_HEADER = """# Commands

This file is generated from the commands' help. The commands are in the order of the flow; each is a Python function of
the same name, whose keywords are the options (`--mac-saving` is `mac_saving`).

## Completion

The shell completes commands and options after one of these lines, for example in its startup file:

```sh
eval "$(_ZAPONNX_COMPLETE=bash_source zaponnx)"     # bash 4.4 or later
eval "$(_ZAPONNX_COMPLETE=zsh_source zaponnx)"      # zsh
_ZAPONNX_COMPLETE=fish_source zaponnx | source      # fish
```
"""


def render() -> str:
    """The whole document, in Markdown."""
    context = main.make_context(_PROGRAM, [], terminal_width=_WIDTH, resilient_parsing=True)
    commands = [section for name, command in main.commands.items() for section in _render(name, command, context)]
    return "\n".join([_HEADER, f"## All\n\n{_render_help(context)}", *commands])


def _render(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    """A command's section, and behind it those of a group's own commands."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True)
    yield f"## {context.command_path.removeprefix(_PROGRAM).strip()}\n\n{_render_help(context)}"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            yield from _render(inner, command.commands[inner], context)


def _render_help(context: click.Context) -> str:
    return f"```text\n{context.get_help()}\n```\n"


if __name__ == "__main__":
    print(render(), end="")
