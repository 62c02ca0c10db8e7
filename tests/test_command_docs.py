"""docs/cli.md is what the commands say, and the shells complete them as it says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from zaponnx.command_docs import render

DOCUMENT = (Path(__file__).parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_committed_document_is_current() -> None:
    assert render() == DOCUMENT, "run: python -m zaponnx.command_docs > docs/cli.md"


def complete(program: Path, instruction: str, **environment: str) -> str:
    variables = {**os.environ, "_ZAPONNX_COMPLETE": instruction, **environment}
    return subprocess.run([program], env=variables, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("shell", "registers"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete")])
def test_the_script_registers_the_completion(program: Path, shell: str, registers: str) -> None:
    assert f"_ZAPONNX_COMPLETE={shell}_source zaponnx" in DOCUMENT
    script = complete(program, f"{shell}_source")
    assert registers in script
    assert f"_ZAPONNX_COMPLETE={shell}_complete" in script


def test_a_bash_takes_the_script(program: Path) -> None:
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    commands = 'eval "$(_ZAPONNX_COMPLETE=bash_source zaponnx)"; complete -p zaponnx'
    assert commands.partition(";")[0] in DOCUMENT
    result = subprocess.run(["bash", "-c", commands], env=environment, capture_output=True, text=True, check=True)
    assert "-F _zaponnx_completion zaponnx" in result.stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [("cal", "plain,calibrate"), ("convert --mac", "plain,--mac-saving"), ("convert --layout n", "plain,nchw")],
)
def test_commands_options_and_choices_are_completed(program: Path, words: str, completed: str) -> None:
    count = str(len(words.split()))
    assert complete(program, "bash_complete", COMP_WORDS=f"zaponnx {words}", COMP_CWORD=count) == f"{completed}\n"
