"""The examples of the flow, run one after the other in an empty directory as their README says."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zaponnx
from zaponnx.files import sha256
from zaponnx.models import model_sha256
from zaponnx.packaging.reported import reported_model

EXAMPLES = Path(__file__).parents[2] / "examples"
STEPS = re.findall(r"^    python examples/(\S+)", (EXAMPLES / "README.md").read_text(), flags=re.MULTILINE)
WRITTEN = ["model.onnx", "model.zap.onnx", "model.zapcal", "model.zapfit.json", "package.tar.gz", "report.html"]


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
    written = sorted(path.name for path in directory.iterdir())
    assert [name for name in written if name not in ("bench.json", "eval.json")] == WRITTEN
    assert printed["1_export.py"].count(": site") == 2
    assert "first" in printed["1_export.py"]
    assert printed["2_calibrate.py"].count("MACs") == 2
    assert "2 layers converted, 1 stay dense" in printed["4_convert.py"]
    saved = float(re.match(r"[\d.]+", printed["5_evaluate.py"])[0])
    # The images are those of the calibration, of which a part is held out and measured.
    assert saved == pytest.approx(20, abs=5)


def test_the_report_and_the_package_are_of_the_model(directory: Path, printed: dict[str, str]) -> None:
    digest = model_sha256(directory / "model.zap.onnx")
    assert reported_model(directory / "report.html", "test") == digest
    assert re.fullmatch(
        r"report.html: [\d.]+% of the convolutions' multiply-accumulates saved, .*\n", printed["6_report.py"]
    )
    check = zaponnx.verify(directory / "package.tar.gz")
    (model,) = check.manifest.models
    assert (model.source_sha256, "report.html" in [file.path for file in check.manifest.files]) == (digest, True)
    assert model.accuracy
    assert model.speed
    assert f"SHA-256 {sha256(directory / 'package.tar.gz')}" in printed["7_pack.py"]


def test_classify_runs_what_they_wrote(directory: Path, printed: dict[str, str], tmp_path: Path) -> None:
    np.zeros((3, 16, 16), np.float32).tofile(tmp_path / "image.raw")
    assert execute(directory, "python/classify.py", "model.zap.onnx", str(tmp_path / "image.raw")).startswith("class ")
