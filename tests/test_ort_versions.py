"""`make test-matrix`: what it writes, when it fails, and that the committed record is whole."""

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program in tests/matrix."""
    spec = importlib.util.spec_from_file_location("zaponnx_matrix", ROOT / "tests" / "matrix" / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def record(matrix: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the record is written; versions are not tried, and 1.23.2 fails."""

    def attempt(version: str, wheel: Path) -> object:
        found = {"onnxruntime": "9.9.9" if version == matrix.NEWEST else version, "python": "3.11.7"}
        return matrix.Outcome(version, found, 30, "failed" if version == "1.23.2" else "", "2026-01-01")

    monkeypatch.setattr(matrix, "RECORD", tmp_path / "record.md")
    monkeypatch.setattr(matrix, "attempt", attempt)
    return tmp_path / "record.md"


def rows(path: Path) -> list[list[str]]:
    """Of the table in a record: version, Python, numpy, onnx, tests, result, date."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_the_committed_record_has_all_versions_and_all_passed(matrix: ModuleType) -> None:
    table = rows(ROOT / "docs" / "ort_versions.md")
    assert [row[0] for row in table][: len(matrix.VERSIONS) - 1] == list(matrix.VERSIONS[:-1])
    assert len(table) == len(matrix.VERSIONS)
    assert {row[5] for row in table} == {"passed"}
    assert len({row[4] for row in table}) == 1


def test_the_oldest_version_is_the_one_that_zaponnx_asks_for(matrix: ModuleType) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["cpu"] == [f"onnxruntime>={matrix.VERSIONS[0]}"]


def test_one_failure_fails_all_and_is_recorded(matrix: ModuleType, record: Path) -> None:
    assert matrix.main(["any.whl"]) == 1
    table = rows(record)
    assert [row[0] for row in table] == [*matrix.VERSIONS[:-1], "9.9.9"]
    assert [row[0] for row in table if row[5] != "passed"] == ["1.23.2"]
    assert table[0] == ["1.20.1", "3.11.7", "–", "–", "30", "passed", "2026-01-01"]


def test_given_versions_are_not_recorded(matrix: ModuleType, record: Path) -> None:
    assert matrix.main(["any.whl", "1.20.1", "newest"]) == 0
    assert not record.exists()


def test_a_version_that_cannot_be_installed_is_a_failure(
    matrix: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(matrix, "WORK", tmp_path)
    monkeypatch.setattr(matrix.sys, "executable", "/bin/false")
    outcome = matrix.attempt("0.0.1", Path("any.whl"))
    assert (outcome.problem, outcome.tests) == ("not installed", 0)
    assert outcome.row().startswith("| 0.0.1 | – |")
