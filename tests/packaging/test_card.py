"""The model card: it says what was measured and what was not, and its code runs as it stands."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import zaponnx

ROOT = Path(__file__).parents[2]
NEEDED = ("onnx", "numpy", "onnxruntime")
"""What the first lines need, and what these need in turn is found by pip's metadata."""


def blocks(card: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", card.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of onnx, numpy, onnxruntime and what they require, and nothing else of this environment."""
    from importlib.metadata import PackageNotFoundError, distribution

    folder = tmp_path_factory.mktemp("clean")
    site = Path(sysconfig.get_path("purelib"))
    waiting, done = list(NEEDED), set()
    while waiting:
        name = re.split(r"[^A-Za-z0-9_.-]", waiting.pop(), maxsplit=1)[0]
        if name.lower() in done:
            continue
        done.add(name.lower())
        try:
            found = distribution(name if name != "onnxruntime" else _onnxruntime())
        except PackageNotFoundError:  # of another platform, or an extra
            continue
        waiting += [each for each in found.requires or () if "extra ==" not in each]
        tops = {Path(file).parts[0] for file in found.files or () if ".." not in Path(file).parts}
        for top in tops:
            if not (folder / top).exists():
                (folder / top).symlink_to(site / top)
    return folder


def _onnxruntime() -> str:
    from importlib.metadata import packages_distributions

    return packages_distributions()["onnxruntime"][0]


def run_clean(clean: Path, code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a process without this environment's packages."""
    command = [sys.executable, "-S", "-c", code]
    environment = {"PYTHONPATH": str(clean), "PATH": ""}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def test_the_clean_environment_is_clean(clean: Path, tmp_path: Path) -> None:
    for module in ("zaponnx", "torch", "safetensors", "click"):
        result = run_clean(clean, f"import {module}", tmp_path)
        assert "ModuleNotFoundError" in result.stderr


@pytest.mark.parametrize("form", ["directory", "archive"])
def test_three_lines_run_a_package_that_was_moved(
    clean: Path, package: Path, archive: Path, tmp_path: Path, form: str
) -> None:
    """Moved to a clean environment, by a copy or by plain tar, it gives the outputs of its test data."""
    moved = tmp_path / "far" / "away"
    if form == "directory":
        shutil.copytree(package, moved)
    else:
        moved.mkdir(parents=True)
        subprocess.run(["tar", "xzf", archive, "--strip-components=1", "-C", moved], check=True)
    code = blocks(moved / "README.md", "python")[0]
    assert len(code.splitlines()) == 3
    result = run_clean(clean, code, moved)
    assert result.returncode == 0, result.stderr
    (printed,) = ast.literal_eval(re.sub(r"array\((.*?),\s*dtype=float32\)", r"\1", result.stdout, flags=re.DOTALL))
    expected = numpy_helper.to_array(onnx.load_tensor(moved / "test_data_set_0" / "output_0.pb"))
    np.testing.assert_allclose(printed, expected, atol=1e-5)


def test_the_lines_for_zaponnx_run(package: Path) -> None:
    code = blocks(package / "README.md", "python")[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=package, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_other_languages_are_those_of_the_docs(package: Path) -> None:
    """Whose C++ is that of the example, which is built and run by tests/examples."""
    text = (ROOT / "docs" / "runtime.md").read_text()
    for language in ("cpp", "csharp"):
        (code,) = blocks(package / "README.md", language)
        code = code.replace('"libzaponnx_ops.so"', "library").replace('"model.onnx"', "model")
        assert code in text, language


def test_the_card_says_what_was_measured(material, package: Path) -> None:
    card = (package / "README.md").read_text()
    _, bold, careful = json.loads(material.evaluation.read_text())["models"]
    rows = {line.split("|")[1].strip(): line for line in card.splitlines() if line.startswith("| `")}
    assert f"{careful['mac_saved']:.2%} | {careful['net_mac_saved']:.2%}" in rows["`careful.onnx`"] or (
        f"{careful['mac_saved']:.2%} | {careful['net_mac_saved']:.2%}" in card
    )
    assert f"{bold['mac_saved']:.2%} | {bold['net_mac_saved']:.2%}" in card
    (run,) = json.loads(material.benchmark.read_text())["runs"]
    times = f"| `model.onnx` | 1 | {run['baseline_ms']:.3f} | {run['model_ms']:.3f} | "
    times += f"{run['speedup']:.2f}× ({run['speedup_low']:.2f}–{run['speedup_high']:.2f}) |"
    assert times in card
    assert ("`model.onnx` is NOT faster than the dense model with 1 thread." in card) == (run["speedup"] <= 1)
    assert "| `careful.onnx` | not measured | not measured | not measured | not measured |" in card
    for text in ("A tiny network", "Tags: tiny, random.", "Apache-2.0", "16 samples of `random`", "`report.html`"):
        assert text in card


def test_the_card_says_what_was_not_measured(small, tmp_path: Path) -> None:
    zaponnx.pack([small.converted], tmp_path / "p")
    card = (tmp_path / "p" / "README.md").read_text()
    assert card.count("not measured") == 8
    assert "## Licence\n\nNot said." in card
    assert "report.html" not in card


def test_accuracies_are_shown_before_and_after(small, tmp_path: Path) -> None:
    result = zaponnx.eval([small.model, small.converted], "random", samples=8).to_json()
    for model, top1 in zip(result["models"], (0.75, 0.625), strict=True):
        model |= {"top1": top1, "top5": 1.0}
    result["notes"] = [f"{small.converted} was calibrated on the same", f"{small.model} was trained on the same"]
    (tmp_path / "eval.json").write_text(json.dumps(result))
    zaponnx.pack([small.converted], tmp_path / "p", eval=[tmp_path / "eval.json"])
    card = (tmp_path / "p" / "README.md").read_text()
    assert "75.00% → 62.50% | 100.00% → 100.00%" in card
    assert "\n`model.onnx` was calibrated on the same.\n" in card
    assert "trained" not in card
