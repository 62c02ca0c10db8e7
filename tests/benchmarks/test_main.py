import json
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks.points import Point
from benchmarks.preparing import Prepared


def test_everything_is_measured_and_written(
    parts: list[Prepared],
    points: list[Point],
    peers: list[str],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(program, "read_points", lambda: {"tiny": points})
    monkeypatch.setattr(program, "_BATCHES", {"tiny": (4,)})
    monkeypatch.setattr(program, "_SESSION_REPETITIONS", 1)
    measured = ["networks", "tuned", "layers", "batches", "concurrent", "sessions"]
    places = ["--cache", str(cache), "--output", str(tmp_path), "--name", "tiny"]
    program.main(["--parts", *measured, "--threads", "1", "2", "--rounds", "1", *places])
    results = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert [len(results[part]) for part in measured] == [4, 8, 2, 2, 1, 2]
    assert [each["subject"]["batch"] for each in results["tuned"]] == [1] * 4 + [4] * 4
    models = ["dense", "B-30.0", "D-40.0", "B-30.0 tuned", "D-40.0 tuned"]
    assert all(list(costs) == models for costs in results["sessions"].values())
    assert all(list(each["dense"]) == peers for part in ("networks", "layers", "batches") for each in results[part])
    assert "--threads 1 2" in results["environment"]["command"]
    assert results["environment"]["isa"]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"tiny.{suffix}") for suffix in ("json", "md")]


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--networks", "perceptron"])
    assert "resnet18" in capsys.readouterr().err
