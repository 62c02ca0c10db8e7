"""python -m zoo: the report of what was asked for, and a failure where anything is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from zoo.__main__ import main
from zoo.coverage import Row
from zoo.kept import KeptRows
from zoo.networks import NETWORKS


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--networks", "light_(squeeze|zf)net", "--output", str(tmp_path), "--kept", str(tmp_path / "kept")]
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert output.out.split() == [str(tmp_path / "coverage.json"), str(tmp_path / "coverage.md")]
    assert sorted(re.findall("light_[a-z0-9]+", output.err)) == ["light_squeezenet", "light_zfnet512"]
    row, _ = json.loads((tmp_path / "coverage.json").read_text())["networks"]
    assert (row["network"], row["convs"], row["sites"]) == ("light_squeezenet", 26, 23)
    text = (tmp_path / "coverage.md").read_text()
    assert "| light_squeezenet | onnx | 9 | 224 × 224 | 66 | 26 | 23 | 92.1% |" in text
    assert "| light_squeezenet | onnx | 1 | 2 |" in text
    assert "WRONG" not in text
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert "2 of 2 were done before, by the same code" in output.err
    assert "light_" not in output.err
    assert (tmp_path / "coverage.md").read_text() == text


def test_what_is_wrong_is_said(tmp_path: Path, row: Row, capsys: pytest.CaptureFixture[str]) -> None:
    network = next(network for network in NETWORKS if network.name == row.network)
    KeptRows(tmp_path).write(network, replace(row, problems=("library: differs by 1",)))
    assert main(["--networks", row.network, "--kept", str(tmp_path), "--output", str(tmp_path)]) == 1
    assert f"WRONG: {row.network} (onnx): library: differs by 1" in capsys.readouterr().err
    assert f"- {row.network} (onnx): library: differs by 1" in (tmp_path / "coverage.md").read_text()


def test_no_network_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--networks", "nothing of the kind"]) == 2
    assert "no network matches" in capsys.readouterr().err
