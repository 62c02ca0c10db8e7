"""docs/tutorial.md: its commands are run, and print what it says that they print, but for the last digits."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|text)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
INSTALLS = "pip install"

CLOSE = {"rel": 0.3, "abs": 0.05}
"""How near numbers are to the tutorial's: another machine rounds otherwise, and its predictors learn a little else."""


def commands(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def printed_by(flow, command: str) -> str:
    """What a command printed in the README's flow, in which most of them are, or prints now."""
    known = {tuple(shlex.split(each)): printed for each, printed in flow.stdout.items()}
    found = known.get(tuple(shlex.split(command)))
    return flow.run(command) if found is None else found


def number(word: str) -> float | None:
    """A word that is a number, maybe with a sign of percent or a stop behind it; those as in 3.3e-07 are any."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)(?:%|\.|,|:|\))*", word.strip("("))
    return float(found[1]) if found else None


def same_word(said: str, printed: str) -> bool:
    if re.fullmatch(r"[\d.]+e-\d+,?", said):
        return bool(re.fullmatch(r"[\d.]+e-\d+,?", printed))
    if number(said) is None or number(printed) is None:
        return said == printed
    return number(printed) == pytest.approx(number(said), **CLOSE)


def test_all_commands_print_what_it_says(readme_flow) -> None:
    output = ""
    compared = 0
    for language, block in BLOCKS:
        if language == "sh":
            output = "".join(printed_by(readme_flow, each) for each in commands(block) if INSTALLS not in each)
            continue
        said, printed = block.splitlines(), output.splitlines()
        assert len(said) == len(printed), output
        for expected, found in zip(said, printed, strict=True):
            if not expected.startswith("--"):  # the rule of a table, as wide as its numbers
                words = list(zip(expected.split(), found.split(), strict=True))
                assert all(same_word(*pair) for pair in words), f"{expected}\n{found}"
        compared += 1
    assert compared >= 7


def test_the_programs_run(readme_flow) -> None:
    programs = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    assert programs
    for program in programs:
        readme_flow.run(f"python -c {shlex.quote(program)}")


@pytest.mark.parametrize(("said", "printed"), [("30.03%", "48.00%"), ("sites", "site"), ("8", "x"), ("89", "200")])
def test_what_differs_is_seen(said: str, printed: str) -> None:
    assert not same_word(said, printed)
    assert same_word(said, said)
