"""docs/runtime.md: its Python is run, its C++ is the example's, its paths and links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import zaponnx

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "runtime.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(digits, code: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=digits.directory, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    if "print" in code:
        assert result.stdout.strip() in ("avx512", "avx2", "neon", "scalar")


def test_the_command_prints_the_librarys_path() -> None:
    (command,) = blocks("sh")
    program = re.fullmatch(r'python -c "(.*)"\n', command)
    assert program
    result = subprocess.run([sys.executable, "-c", program[1]], capture_output=True, text=True, check=True)
    assert Path(result.stdout.strip()) == zaponnx.library_path()


def test_cpp_is_the_examples() -> None:
    """Which is built and run by tests/examples."""
    example = {line.partition("//")[0].strip() for line in (ROOT / "examples/cpp/main.cpp").read_text().splitlines()}
    (block,) = blocks("cpp")
    assert set(block.splitlines()) <= example


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https:)([^)#]+)\)", TEXT)
    assert len(targets) >= 3
    for target in targets:
        assert (ROOT / "docs" / target).exists(), target
