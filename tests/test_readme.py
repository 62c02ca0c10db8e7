"""Every command in the README is run: here, or by CI."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RUN_BY_CI = {"make test": ".ci/run"}
"""Command → the script that runs it."""


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_all_commands_are_known() -> None:
    """So that a command in another form of block does not go unnoticed."""
    indented = re.findall(r"^    (make .*)$", README, flags=re.MULTILINE)
    assert set(indented) == {"make demo", *RUN_BY_CI}
    assert set(re.findall(r"^```(\w+)$", README, flags=re.MULTILINE)) == {"sh", "python"}


@pytest.mark.parametrize("command", RUN_BY_CI)
def test_ci_runs_what_is_left_to_it(command: str) -> None:
    assert command in (ROOT / RUN_BY_CI[command]).read_text().splitlines()


def test_make_demo_is_the_demo(digits) -> None:
    """The fixture has run `zaponnx demo`; the rest of `make demo` is what `make test` has done, too."""
    makefile = (ROOT / "Makefile").read_text()
    assert "demo: $(VENV)/.package\n\t$(BIN)/zaponnx demo --output demo\n" in makefile
    assert digits.stdout


def test_the_flow_step_by_step(readme_flow) -> None:
    for command, printed in readme_flow.stdout.items():
        assert printed or ">" in command, command
    for program in blocks("python"):
        subprocess.run([sys.executable, "-c", program], cwd=readme_flow.directory, check=True)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
