"""docs/packages.md: its commands and its Python are run in a demo's directory; its links and its tables are right."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import zaponnx
from zaponnx.format_docs import render
from zaponnx.packaging.manifest_docs import tables

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "packages.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def test_commands_and_python_run(digits, tmp_path: Path) -> None:
    for name in ("model.onnx", "model.zap.onnx"):
        shutil.copyfile(digits.directory / name, tmp_path / name)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    retune = "zaponnx retune model.zap.onnx -o careful.zap.onnx --epsilon 0.05\n"
    script = retune + "".join(blocks("sh")).replace("--tag digits", "").replace(
        " --baseline", " --iterations 2 --baseline"
    )
    command = ["bash", "-e", "-c", script]
    result = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "fetched" / "model.onnx").is_file()
    assert "not measured" in (tmp_path / "digits" / "README.md").read_text()
    (code,) = blocks("python")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)


def test_every_flag_is_there() -> None:
    for flag in ("--eval", "--bench", "--data", "--native", "--report", "--allow-native", "--providers", "--tolerance"):
        assert flag in TEXT


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", TEXT):
        assert (ROOT / "docs" / target).exists(), target


def test_the_manifests_tables_are_current() -> None:
    assert render(TEXT, tables()) == TEXT, "run: python -m zaponnx.packaging.manifest_docs docs/packages.md"


def test_the_tables_have_what_a_manifest_has(small, tmp_path: Path) -> None:
    """One of a real package, not the example that the tables are made of."""
    manifest = zaponnx.pack([small.converted], tmp_path / "package").check.manifest.to_json()
    (model,) = manifest["models"]
    for name, part in {
        "manifest": manifest,
        "model": model,
        "port": model["inputs"][0],
        "operating point": model["operating_point"],
        "file": manifest["files"][0],
    }.items():
        assert re.findall(r"^\| `(\w+)`", tables()[name], flags=re.MULTILINE) == list(part), name
