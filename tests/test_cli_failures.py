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
from click.testing import Result

import zaponnx
import zaponnx.commands
from zaponnx.errors import ModelError


def conversion(flow, output: Path, *budget: object) -> list[object]:
    return [flow.model, "--calibration", flow.calibration, "--fit", flow.fit, "-o", output, *budget]


def assert_fails(result: Result, code: int, message: str, *unwritten: Path) -> None:
    """One clear sentence, the exit code, and no file."""
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1, result.stderr
    assert message in errors[0]
    assert "Traceback" not in result.stderr
    for path in unwritten:
        assert not path.exists()
        assert list(path.parent.glob(".*")) == [], "no temporary file is left"


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


@pytest.mark.parametrize("command", ["calibrate", "eval"])
@pytest.mark.parametrize("spec", ["tarot", "npz:nowhere.npz", "images:nowhere", "py:nowhere.py:batches", "npz:"])
def test_data_that_do_not_exist(invoke, small, tmp_path: Path, command: str, spec: str) -> None:
    output = tmp_path / "written"
    arguments = [small.model, "--data", spec, *(["-o", output] if command == "calibrate" else [])]
    assert_fails(invoke(command, *arguments), 2, spec.partition(":")[2], output)


@pytest.mark.parametrize("command", ["eval", "bench"])
def test_unknown_provider(invoke, small, command: str) -> None:
    arguments = {"eval": ["--data", "random"], "bench": ["--baseline", small.model]}[command]
    result = invoke(command, small.model, *arguments, "--providers", "abacus,cpu")
    assert_fails(result, 2, "unknown provider 'abacus'")


def test_unknown_source(invoke, tmp_path: Path) -> None:
    output = tmp_path / "written"
    assert_fails(invoke("export", "resnet1800", "-o", output), 2, "resnet1800", output)


def test_budget_and_goal_exclude_each_other(invoke, small, tmp_path: Path) -> None:
    output = tmp_path / "written"
    assert_fails(invoke("convert", *conversion(small, output)), 2, "no budget is given", output)
    both = conversion(small, output, "--epsilon", 0.1, "--mac-saving", 0.1)
    assert_fails(invoke("convert", *both), 2, "are both given", output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nowhere.onnx"], "'nowhere.onnx' does not exist"),
        (["eval", "--data", "random"], "MODEL"),
        (["fit", "MODEL"], "--output"),
        (["fit", "MODEL", "-o", "nowhere/m.zapfit.json"], "there is no directory 'nowhere'"),
        (["fit", "MODEL", "-o", "out", "--method", "guess"], "guess"),
        (["bench", "MODEL", "--baseline", "MODEL", "--threads", "one"], "no list of integers"),
        (["bench", "MODEL", "--baseline", "MODEL", "--threads", ""], "no list of integers"),
        (["bench", "MODEL", "--baseline", "MODEL", "--providers", ""], "unknown provider"),
        (["calibrate", "MODEL", "--data", "random", "-o", "."], "no file"),
        (["export", "digits", "-o", "."], "is there already and no file"),
        (["export", "digits", "-o", "/dev/null"], "/dev/null: is there already and no file"),
        (["bench", "MODEL", "--baseline", "MODEL", "--input-shapes", "input:1,x"], "no list of integers"),
        (["bench", "MODEL", "--baseline", "MODEL", "--input-shapes", "1,3,12,12"], "no input's name and shape"),
        (["export", "digits", "-o", "out", "--input-shape", "1x3"], "no list of integers"),
        (["calibrate", "MODEL", "--data", "random", "-o", "out", "--samples", "0"], "--samples"),
        (["calibrate", "MODEL", "--data", "random", "-o", "out", "--seed", "-1"], "--seed"),
        (["transmogrify"], "No such command"),
        (["pack", "-o", "out"], "MODEL"),
        (["pack", "MODEL"], "--output"),
        (["pack", "MODEL", "-o", "out", "--native", "win-x64"], "unknown platform 'win-x64'"),
        (["pack", "MODEL", "-o", "out", "--test-sets", "0"], "--test-sets"),
        (["pack", "MODEL", "-o", "out", "--eval", "nowhere.json"], "'nowhere.json' does not exist"),
        (["pack", "MODEL", "-o", "out", "--data", "tarot"], "unknown data 'tarot'"),
        (["verify", "nowhere"], "'nowhere' does not exist"),
        (["unpack", "nowhere", "-o", "out"], "'nowhere' does not exist"),
        (["zoo", "get", ".", "name"], "--output"),
        (["zoo", "list", "ftp://example.invalid"], "is no URL of a zoo"),
        (["zoo", "add", "nowhere", "MODEL"], "is no directory"),
        (["zoo", "juggle"], "No such command"),
    ],
)
def test_usage_errors(
    invoke, small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*(small.model if argument == "MODEL" else argument for argument in arguments))
    assert_fails(result, 2, message, tmp_path / "out")


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


@pytest.mark.parametrize("command", ["export", "calibrate", "calibrate from", "fit", "convert", "retune", "strip"])
def test_inputs_are_not_written_over(invoke, small, tmp_path: Path, command: str) -> None:
    precious = tmp_path / "precious"
    sources = {"fit": small.calibration, "convert": small.fit, "retune": small.converted, "strip": small.converted}
    source = sources.get(command, small.model)
    content = source.read_bytes()
    precious.write_bytes(content)
    arguments = {
        "export": ["export", "digits", "--weights", precious],
        "calibrate": ["calibrate", precious, "--data", "random"],
        "calibrate from": ["calibrate", small.model, "--data", f"npz:{precious}"],
        "fit": ["fit", precious],
        "convert": ["convert", small.model, "--calibration", small.calibration, "--fit", precious, "--epsilon", 1],
        "retune": ["retune", precious, "--epsilon", 1],
        "strip": ["strip", precious],
    }[command]
    assert_fails(invoke(*arguments, "-o", precious), 2, f"{precious}: the output is also an input")
    assert precious.read_bytes() == content


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


def test_a_data_script_is_not_overwritten(invoke, small, tmp_path: Path) -> None:
    script = tmp_path / "data.py"
    script.write_text("def batches(): ...\n")
    result = invoke("calibrate", small.model, "--data", f"py:{script}:batches", "-o", script)
    assert_fails(result, 2, "the output is also an input")
    assert script.read_text() == "def batches(): ...\n"
