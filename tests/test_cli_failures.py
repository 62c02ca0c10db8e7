"""The command line's failures: one clear sentence, the right exit code, and no output file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import zaponnx
import zaponnx.commands
from tests.failing import assert_fails, conversion
from zaponnx.errors import ModelError

Damage = Callable[[Path, Path], None]


def truncated(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


def empty(source: Path, target: Path) -> None:
    target.write_bytes(b"")


def foreign(source: Path, target: Path) -> None:
    target.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)


@pytest.mark.parametrize("damage", [truncated, empty, foreign])
@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("calibrate", "model"),
        ("convert", "model"),
        ("retune", "converted"),
        ("strip", "converted"),
        ("eval", "model"),
        ("bench", "model"),
        ("bench", "baseline"),
        ("inspect", "model"),
        ("fit", "calibration"),
        ("convert", "calibration"),
        ("convert", "fit"),
    ],
)
def test_damaged_files(invoke, small, tmp_path: Path, command: str, kind: str, damage: Damage) -> None:
    source = getattr(small, {"baseline": "model"}.get(kind, kind))
    bad = tmp_path / f"bad{source.suffix}"
    damage(source, bad)
    files = {**vars(small), "baseline": small.model}
    files[kind] = bad
    output = tmp_path / "out" / "written"
    output.parent.mkdir()
    budget = ["--calibration", files["calibration"], "--fit", files["fit"], "-o", output, "--epsilon", 0.1]
    arguments = {
        "calibrate": [files["model"], "--data", "random", "-o", output],
        "fit": [files["calibration"], "-o", output],
        "convert": [files["model"], *budget],
        "retune": [files["converted"], "-o", output, "--epsilon", 0.1],
        "strip": [files["converted"], "-o", output],
        "eval": [small.model, files["model"], "--data", "random"],
        "bench": [files["model"], "--baseline", files["baseline"]],
        "inspect": [files["model"]],
    }[command]
    assert_fails(invoke(command, *arguments), 1, bad.name, output)


@pytest.mark.parametrize("damage", [truncated, empty, foreign])
@pytest.mark.parametrize("command", ["verify", "unpack", "zoo add"])
def test_damaged_packages(invoke, small, tmp_path: Path, command: str, damage: Damage) -> None:
    zaponnx.pack([small.converted], tmp_path / "good.tar.gz")
    damage(tmp_path / "good.tar.gz", tmp_path / "bad.tar.gz")
    output = tmp_path / "out" / "written"
    output.parent.mkdir()
    arguments = {
        "verify": [tmp_path / "bad.tar.gz"],
        "unpack": [tmp_path / "bad.tar.gz", "-o", output],
        "zoo add": [output.parent, tmp_path / "bad.tar.gz"],
    }[command]
    assert_fails(invoke(*command.split(), *arguments), 1, f"{command}: {tmp_path / 'bad.tar.gz'}: ", output)
    assert list(output.parent.iterdir()) == []


def test_artifacts_given_for_each_other(invoke, small, tmp_path: Path) -> None:
    output = tmp_path / "written"
    swapped = ["--calibration", small.fit, "--fit", small.calibration]
    result = invoke("convert", small.model, *swapped, "-o", output, "--epsilon", 0.1)
    assert_fails(result, 1, small.fit.name, output)


def test_calibration_of_another_model(invoke, small, other_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "written"
    arguments = ["--calibration", small.calibration, "--fit", small.fit, "-o", output, "--epsilon", 0.1]
    assert_fails(invoke("convert", other_model, *arguments), 1, "belongs to another model", output)


def test_missed_budget_writes_the_best_and_exits_with_3(run, small, tmp_path: Path) -> None:
    output = tmp_path / "m.zap.onnx"
    for command, *arguments in (
        ["convert", *conversion(small, output)],
        ["retune", small.converted, "-o", output],
    ):
        result = run(command, *arguments, "--mac-saving", 0.9, "--json")
        assert result.returncode == 3
        assert "budget missed" in result.stderr
        assert "66.67%" in json.loads(result.stdout)["budget_missed"]
        output.unlink()


def test_output_that_the_system_refuses(invoke, small) -> None:
    result = invoke("fit", small.calibration, "-o", "/proc/m.zapfit.json")
    assert_fails(result, 1, "fit: /proc/m.zapfit.json: cannot be written: ", Path("/proc/m.zapfit.json"))


def test_reader_that_goes_away_is_no_bug(program: Path, small) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([program, "inspect", small.model], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert "bug" not in result.stderr
    assert "Traceback" not in result.stderr


def test_error_in_a_process(run, tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    result = run("inspect", tmp_path / "empty.onnx", "--quiet")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: inspect: {tmp_path / 'empty.onnx'}: the file is empty\n"


def test_an_unexpected_exception_is_called_a_bug(invoke, small, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**options: object) -> None:
        raise RuntimeError("off by one")

    monkeypatch.setattr(zaponnx, "inspect", broken, raising=False)
    assert_fails(invoke("inspect", small.model), 1, "a bug in zaponnx, RuntimeError: off by one")
    assert "Traceback" in invoke("inspect", small.model, "--debug").stderr


def test_interrupt_exits_with_130_and_writes_nothing(program: Path, small, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\nfrom pathlib import Path\n\n\ndef batches():\n"
        f"    Path({str(tmp_path / 'started')!r}).touch()\n    time.sleep(60)\n    yield {{}}\n"
    )
    output = tmp_path / "out" / "m.zapcal"
    output.parent.mkdir()
    command = [program, "calibrate", small.model, "--data", f"py:{script}:batches", "-o", output]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stdout == ""
    assert "interrupted in" in stderr
    assert "Traceback" not in stderr
    assert list(output.parent.iterdir()) == []


def test_interrupt_before_the_work_exits_with_130(invoke, small, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(zaponnx.commands, "Terminal", interrupted)
    result = invoke("inspect", small.model)
    assert (result.exit_code, result.stdout) == (130, "")


def test_interrupt_while_the_program_starts_exits_with_130() -> None:
    script = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "zaponnx.tables":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
import zaponnx.cli
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_selfcheck_shows_the_versions_also_when_it_fails(invoke, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zaponnx, "__path__", [str(tmp_path)])
    text, as_json = invoke("selfcheck"), invoke("selfcheck", "--json")
    assert (text.exit_code, as_json.exit_code) == (1, 1)
    assert f"zaponnx {zaponnx.__version__}" in text.stdout.splitlines()
    assert "OK" not in text.stdout
    assert "Error: register: libzaponnx_ops.so is not installed" in text.stderr
    assert json.loads(as_json.stdout)["versions"]["zaponnx"] == zaponnx.__version__


def test_debug_shows_the_traceback(invoke, tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    result = invoke("inspect", tmp_path / "empty.onnx", "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert ModelError.__name__ in result.stderr
