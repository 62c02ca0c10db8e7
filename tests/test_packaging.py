"""The source distribution, the wheel that is built from it, and what the wheel installs."""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import zaponnx

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory, ort_headers: Path) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    headers = f"--config-setting=cmake.define.ONNXRUNTIME_INCLUDE_DIR={ort_headers}"
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, headers, ROOT]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return directory


def test_source_distribution_has_what_a_build_needs(distributions: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CMakeLists.txt", "cmake/apt_headers.sh", "custom_ops/CMakeLists.txt", "pyproject.toml"} <= names
    assert {"README.md", "LICENSE", "cli.py", "calib/__init__.py", "zaponnx/__init__.py"} <= names
    assert not any(name.startswith(("tests/", "build/", ".venv/", ".ci")) for name in names)


def test_wheel_needs_no_python_abi(distributions: Path) -> None:
    (path,) = distributions.glob("*.whl")
    assert re.fullmatch(rf"zaponnx-{re.escape(zaponnx.__version__)}-py3-none-(?!any).+\.whl", path.name)


def test_wheel_has_all_parts_and_nothing_else(distributions: Path) -> None:
    (path,) = distributions.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    modules = {
        f"zaponnx/{'calib/' if folder == 'calib' else ''}{file.relative_to(ROOT / folder)}"
        for folder in ("zaponnx", "calib")
        for file in (ROOT / folder).rglob("*.py")
    }
    assert modules <= set(names)
    assert {f"zaponnx/calib/report/page.{suffix}" for suffix in ("html", "css", "js")} <= set(names)
    assert {"zaponnx/cli.py", "zaponnx/py.typed", "zaponnx/lib/libzaponnx_ops.so"} <= set(names)
    assert {name.split("/")[0] for name in names} == {"zaponnx", f"zaponnx-{zaponnx.__version__}.dist-info"}
    libraries = {"zaponnx/lib/libzaponnx_ops.so", *(["zaponnx/lib/libzaponnx_cuda.so"] if shutil.which("nvcc") else [])}
    assert {name for name in names if name.endswith(".so")} == libraries


def test_wheel_works_in_a_clean_environment(distributions: Path, tmp_path: Path) -> None:
    """What zaponnx depends on is borrowed from this environment: nothing is downloaded."""
    (wheel,) = distributions.glob("*.whl")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    command = [environment / "bin" / "zaponnx", "selfcheck", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.returncode == 0, result.stderr
    assert Path(json.loads(result.stdout)["library"]).is_relative_to(environment)
