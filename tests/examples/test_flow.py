"""The examples of the flow, run one after the other in an empty directory as their README says."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = re.findall(r"^    python examples/(\S+)", (EXAMPLES / "README.md").read_text(), flags=re.MULTILINE)
WRITTEN = ["model.onnx", "model.zap.onnx", "model.zapcal", "model.zapfit.json"]


def execute(directory: Path, script: str, *arguments: str) -> str:
    command = [sys.executable, EXAMPLES / script, *arguments]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{script}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flow")


@pytest.fixture(scope="module")
def printed(directory: Path) -> dict[str, str]:
    """What each step printed."""
    return {step: execute(directory, step) for step in STEPS}


def test_the_readme_names_all_in_their_order() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("[0-9]_*.py")) == STEPS


def test_steps_say_what_they_did(directory: Path, printed: dict[str, str]) -> None:
    assert sorted(path.name for path in directory.iterdir()) == WRITTEN
    assert printed["1_export.py"].count(": site") == 2
    assert "first" in printed["1_export.py"]
    assert printed["2_calibrate.py"].count("MACs") == 2
    assert "2 layers converted, 1 stay dense" in printed["4_convert.py"]
    saved = float(re.match(r"[\d.]+", printed["5_evaluate.py"])[0])
    # The images are those of the calibration, of which a part is held out and measured.
    assert saved == pytest.approx(20, abs=5)


def test_classify_runs_what_they_wrote(directory: Path, printed: dict[str, str], tmp_path: Path) -> None:
    np.zeros((3, 16, 16), np.float32).tofile(tmp_path / "image.raw")
    assert execute(directory, "python/classify.py", "model.zap.onnx", str(tmp_path / "image.raw")).startswith("class ")
