"""make test-matrix: runs the suite beside this file on several versions of ONNX Runtime, writes docs/ort_versions.md.

    python tests/matrix WHEEL [VERSION ...]

Every version gets a virtual environment of its own, build/matrix/VERSION, with the same wheel of zaponnx. Versions that
are given are tried alone, without a record. The exit code is 1 if one of them fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

NEWEST = "newest"
GPU = "gpu "
"""Before a version: that of onnxruntime-gpu, whose sessions here are on the CPU."""

VERSIONS = ("1.20.1", "1.21.1", "1.22.1", "1.23.2", "1.24.4", "1.26.0", "1.28.0", "1.31.1", f"{GPU}1.31.1", NEWEST)
"""The oldest that zaponnx supports and later ones, as the package index has them for Python 3.11."""

SUITE = Path(__file__).parent
ROOT = SUITE.parents[1]
WORK = ROOT / "build" / "matrix"
RECORD = ROOT / "docs" / "ort_versions.md"

_HEAD = """# Versions of ONNX Runtime

Written by `make test-matrix`: one build of zaponnx's library, run by several versions of ONNX Runtime, each in a
virtual environment of its own. The suite is `tests/matrix`: all four operators, in both layouts, against their function
bodies, thresholds of −∞ and +∞, dynamic shapes, executors, threads, sessions, conversion, retuning and stripping, the
operators' registration for CUDA, and the installation's own check.

Of onnxruntime-gpu ("gpu"), too, the sessions are on the CPU: no GPU is needed.

| ONNX Runtime | Python | numpy | onnx | tests | result | date |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Outcome:
    """One version's run.

    Attributes:
        asked: The version as it was asked for.
        versions: Package → version, as far as it could be installed.
        tests: How many ran.
        problem: What went wrong, "" if nothing did.
        date: Of the run, ISO 8601.
    """

    asked: str
    versions: dict[str, str]
    tests: int
    problem: str
    date: str

    def row(self) -> str:
        """As a row of the record."""
        found = [self.versions.get(name, "–") for name in ("python", "numpy", "onnx")]
        gpu = self.versions.get("onnxruntime-gpu")
        version = f"{GPU}{gpu}" if gpu else self.versions.get("onnxruntime", self.asked)
        return f"| {' | '.join([version, *found, str(self.tests), self.problem or 'passed', self.date])} |\n"


def main(arguments: Sequence[str]) -> int:
    """Tries the versions, one after the other; gives the exit code."""
    wheel, *only = arguments
    outcomes = []
    for version in only or VERSIONS:
        outcomes.append(attempt(version, Path(wheel)))
        print(outcomes[-1].row(), end="", flush=True)
    if not only:
        RECORD.write_text(_HEAD + "".join(outcome.row() for outcome in outcomes), encoding="utf-8")
    return int(any(outcome.problem for outcome in outcomes))


def attempt(version: str, wheel: Path) -> Outcome:
    """Installs a version of ONNX Runtime and runs the suite on it."""
    environment = WORK / version.replace(" ", "-")
    python = environment / "bin" / "python"
    date = datetime.now(UTC).date().isoformat()
    try:
        if not python.exists():
            _run(sys.executable, "-m", "venv", environment)
        _install(python, version, wheel)
    except subprocess.CalledProcessError as error:
        print(error.stdout, file=sys.stderr)
        return Outcome(version, {}, 0, "not installed", date)
    # -P: the working directory has a folder zaponnx, which is not the installed package.
    versions = json.loads(
        _run(python, "-P", "-c", "import json, zaponnx.machine as m; print(json.dumps(m.versions()))")
    )
    report = environment / "report.xml"
    report.unlink(missing_ok=True)
    settings = ["-c", ROOT / "pyproject.toml", "--rootdir", ROOT, "--confcutdir", SUITE, "-p", "no:cacheprovider"]
    problem = ""
    try:
        _run(python, "-P", "-m", "pytest", "--quiet", *settings, f"--junitxml={report}", SUITE)
    except subprocess.CalledProcessError as error:
        print(error.stdout, file=sys.stderr)
        problem = "failed" if report.exists() else "crashed"
    tests = ElementTree.parse(report).getroot()[0].attrib["tests"] if report.exists() else "0"
    return Outcome(version, versions, int(tests), problem, date)


def _install(python: Path, version: str, wheel: Path) -> None:
    """Into the environment: ONNX Runtime, zaponnx and pytest; all else in the versions that `make` installs."""
    pins = WORK / "constraints.txt"
    lines = (ROOT / "constraints.txt").read_text().splitlines(keepends=True)
    pins.write_text("".join(line for line in lines if not line.startswith("onnxruntime")))
    if version.startswith(GPU):
        runtime = f"onnxruntime-gpu=={version.removeprefix(GPU)}"
    else:
        runtime = "onnxruntime" if version == NEWEST else f"onnxruntime=={version}"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", pins]
    _run(*install, "--upgrade", runtime, wheel, "pytest")
    _run(*install, "--force-reinstall", "--no-deps", wheel)  # which may be another build of the same version


def _run(*command: object) -> str:
    result = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    return result.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
