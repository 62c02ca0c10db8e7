"""Progress and tables of the long commands, on a pseudo-terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BAR = re.compile(r"\r\x1b\[K[█·]{24} (.+?) (\d+)/(\d+)(, \d+:\d\d left)?")


@pytest.fixture
def arguments(small: Any, tmp_path: Path) -> dict[str, list[object]]:
    """What makes each command take a while."""
    return {
        "calibrate": [
            small.model,
            "--data",
            "random",
            "-o",
            tmp_path / "m.zapcal",
            "--samples",
            128,
            "--batch-size",
            8,
            "--refine-steps",
            2,
        ],
        "fit": [small.calibration, "-o", tmp_path / "m.zapfit.json", "--method", "sigmoid"],
        "eval": [small.model, small.converted, "--data", "random", "--samples", 2048, "--batch-size", 1],
        "bench": [small.converted, "--baseline", small.model, "--threads", 1, "--iterations", 10000],
    }


def on_a_terminal(command: list[str]) -> tuple[str, str]:
    """stdout, from a pipe, and stderr, from a pseudo-terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65536):
                shown += block
        except OSError:  # Linux reports the end of a pseudo-terminal so
            pass
        assert process.stdout is not None
        printed = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0, shown
    return printed.decode(), shown.decode()


@pytest.mark.parametrize("name", ["calibrate", "fit", "eval", "bench"])
def test_a_terminal_has_a_bar_and_a_table(program: Path, arguments: dict[str, list[object]], name: str) -> None:
    printed, shown = on_a_terminal([str(program), name, *map(str, arguments[name])])
    bars = BAR.findall(shown)
    assert bars
    assert all(int(done) <= int(total) for _, done, total, _ in bars)
    assert shown.splitlines()[-1].startswith("\r\x1b[K") or "done in" in shown.splitlines()[-1]
    table, _, _ = printed.partition("\n\n")
    assert "---" in table
    assert max(map(len, table.splitlines())) <= 80
    assert "█" not in printed


def test_a_pipe_has_no_bar(
    run: Callable[..., subprocess.CompletedProcess[str]], arguments: dict[str, list[object]]
) -> None:
    """As all commands of the flow, see test_cli.py, but here for long enough to have a bar."""
    result = run("eval", *arguments["eval"])
    assert result.returncode == 0, result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert not set(result.stdout + result.stderr) & set("\r\x1b█·")
