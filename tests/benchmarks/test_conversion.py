"""benchmarks.conversion: what a conversion takes is measured in a process of its own, and judged."""

import json
from pathlib import Path

import onnx
import pytest

from benchmarks import conversion
from benchmarks.conversion import EMBEDDED, EXTERNAL, Result, markdown
from benchmarks.conversion_cost import ConversionCost
from benchmarks.environment import environment
from benchmarks.large import write_large_model

LARGE_MIB = 64
NETWORK = """
from torch import nn

def build():
    layers = [nn.Conv2d(3, 8, 9, stride=8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "tiny_for_conversion.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    return "tiny_for_conversion:build"


def test_everything_is_measured_and_written(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--cache", str(tmp_path / "cache"), "--output", str(tmp_path), "--name", "tiny"]
    conversion.main(["--source", source, "--large", str(LARGE_MIB * 2**20), *places])
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"tiny.{suffix}") for suffix in ("json", "md")]
    assert not list((tmp_path / "cache").iterdir())
    results = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    embedded, external, large = (
        Result(**each | {"cost": ConversionCost(**each["cost"])}) for each in results["conversions"]
    )
    assert [result.limit for result in (embedded, external, large)] == [EMBEDDED, EXTERNAL, EXTERNAL]
    assert [result.cost.sites for result in (embedded, external, large)] == [2, 2, 1]
    assert large.size_mb == pytest.approx(LARGE_MIB, rel=0.01)
    assert large.cost.peak_mb > LARGE_MIB > embedded.cost.peak_mb  # Python's own memory does not count
    assert all(result.cost.process_peak_mb > result.cost.peak_mb for result in (embedded, external, large))
    assert results["environment"]["command"].startswith("python -m benchmarks.conversion --source")


def test_the_large_model_has_its_matrix_on_disk(tmp_path: Path) -> None:
    write_large_model(tmp_path / "large.onnx", 2**20)
    onnx.checker.check_model(str(tmp_path / "large.onnx"), full_check=True)
    assert (tmp_path / "large.onnx.data").stat().st_size == 2**20
    assert (tmp_path / "large.onnx").stat().st_size < 2**13


def test_limits_that_are_exceeded_are_bold() -> None:
    slow, large = ConversionCost(31.0, 200.0, 300.0, 5), ConversionCost(2.0, 451.0, 600.0, 5)
    text = markdown(environment([]), [Result("slow", 100, EMBEDDED, slow), Result("large", 100, EMBEDDED, large)])
    assert "| slow | 100 | 5 | **31.00 > 30.00** | 200 | 2.00 ≤ 4.50 | 300 |" in text
    assert "| large | 100 | 5 | 2.00 ≤ 30.00 | 451 | **4.51 > 4.50** | 600 |" in text
