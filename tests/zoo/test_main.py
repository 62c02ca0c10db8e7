"""python -m zoo: the report of what was asked for, and a failure where anything is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from zoo import coverage
from zoo.__main__ import main


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--networks", "light_(squeeze|zf)net", "--output", str(tmp_path)]) == 0
    output = capsys.readouterr()
    assert output.out.split() == [str(tmp_path / "coverage.json"), str(tmp_path / "coverage.md")]
    assert re.findall("light_[a-z0-9]+", output.err) == ["light_squeezenet", "light_zfnet512"]
    row, _ = json.loads((tmp_path / "coverage.json").read_text())["networks"]
    assert (row["network"], row["convs"], row["sites"]) == ("light_squeezenet", 26, 23)
    text = (tmp_path / "coverage.md").read_text()
    assert "| light_squeezenet | onnx | 9 | 224 × 224 | 66 | 26 | 23 | 92.1% |" in text
    assert "| light_squeezenet | onnx | 1 | 2 |" in text
    assert "WRONG" not in text


def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(coverage, "FACTOR", 0)
    assert main(["--networks", "light_squeezenet", "--jobs", "1", "--output", str(tmp_path)]) == 1
    assert "WRONG: library: differs by" in capsys.readouterr().err
    assert "- light_squeezenet (onnx): library: differs by" in (tmp_path / "coverage.md").read_text()


def test_no_network_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--networks", "nothing of the kind"]) == 2
    assert "no network matches" in capsys.readouterr().err
