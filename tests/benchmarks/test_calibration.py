"""benchmarks.calibration: an epoch in one pass and layer by layer."""

import json
from pathlib import Path

import pytest

from benchmarks import calibration
from benchmarks.calibration import EpochTimes, markdown
from benchmarks.environment import environment

NETWORK = """
from torch import nn

def build():
    return nn.Sequential(*(layer for _ in range(3) for layer in (nn.Conv2d(3, 3, 3), nn.ReLU())))
"""


def test_everything_is_measured_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny_to_calibrate.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    options = ["--size", "12", "--images", "9", "--rounds", "1", "--output", str(tmp_path), "--name", "tiny"]
    calibration.main(["--source", "tiny_to_calibrate:build", *options])
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"tiny.{suffix}") for suffix in ("json", "md")]
    results = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert (results["sites"], results["images"]) == (2, 9)
    assert results["ratios"].keys() == results["seconds"].keys()
    assert len(results["ratios"]) == 6
    assert results["ratios"]["plain inference"] == 1


def test_a_target_that_is_missed_is_bold() -> None:
    times = EpochTimes(16, 10, 2, 3, {"plain inference": 1.0, "one pass": 3.6, "layer by layer": 9.0})
    text = markdown(environment([]), "resnet18", times)
    assert "| one pass | 360.0 | **3.60 > 3.50** |" in text
    assert "| layer by layer | 900.0 | 9.00 |" in text
