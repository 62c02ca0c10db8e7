"""The command line: every command and flag, what goes to stdout and stderr, exit codes, and what is not written."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import zaponnx
from zaponnx.cli import main
from zaponnx.errors import ModelError

COMMANDS = ["export", "calibrate", "fit", "convert", "eval", "bench", "inspect", "selfcheck", "demo"]
COMMON = {"as_json", "verbose", "quiet", "debug"}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """The installed program in a process of its own."""
    program = Path(sys.executable).with_name("zaponnx")
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)


def test_commands_are_listed_in_the_order_of_the_flow() -> None:
    lines = invoke("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == COMMANDS
    assert not any(line.endswith("...") for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_keywords_of_the_function(name: str) -> None:
    keywords = inspect.signature(getattr(zaponnx, name)).parameters
    for parameter in main.commands[name].params:
        if parameter.name in COMMON:
            continue
        keyword = keywords[parameter.name]
        if isinstance(parameter, click.Option):
            assert f"--{parameter.name.replace('_', '-')}" in parameter.opts
            if not parameter.required:
                given = isinstance(parameter.default, str | int | float | tuple | Path)
                default = parameter.default if given else None
                if parameter.callback and parameter.name != "output":
                    default = parameter.callback(None, parameter, default or ())
                assert (default or None) == (keyword.default or None), parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_a_help(name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_version() -> None:
    assert invoke("--version").stdout.split()[-1] == zaponnx.__version__


def test_the_flow_in_processes(small, tmp_path: Path) -> None:
    """Each command prints one JSON object on stdout, and its start and finish on stderr."""
    calibration, fit, converted = (tmp_path / name for name in ("m.zapcal", "m.zapfit.json", "m.zap.onnx"))
    commands = {
        "calibrate": [
            small.model,
            "--data",
            "random",
            "-o",
            calibration,
            "--samples",
            8,
            "--epochs",
            1,
            "--include",
            "mid",
        ],
        "fit": [calibration, "--output", fit, "--method", "exact"],
        "convert": [small.model, "--calibration", calibration, "--fit", fit, "-o", converted, "--mac-saving", 0.1],
        "eval": [small.model, converted, "--data", "random", "--samples", 8, "--batch-size", 4, "--providers", "cpu"],
        "bench": [converted, "--baseline", small.model, "--threads", "1", "--iterations", 3, "--warmup", 1],
        "inspect": [converted],
        "selfcheck": [],
    }
    printed = {}
    for name, arguments in commands.items():
        result = run(name, *arguments, "--json")
        assert result.returncode == 0, result.stderr
        printed[name] = json.loads(result.stdout)
        lines = result.stderr.splitlines()
        assert lines[0] == f"zaponnx {zaponnx.__version__} {name}"
        assert lines[-1].startswith(f"zaponnx {name}: done in ")
        assert len(lines) == 2, result.stderr
    assert [set(model) >= {"path", "top1", "top5", "mac_saved"} for model in printed["eval"]["models"]] == [True, True]
    assert printed["eval"]["models"][0]["mac_saved"] == 0
    assert printed["eval"]["models"][1]["mac_saved"] > 0
    assert set(printed["bench"]["runs"][0]) == {"threads", "baseline_ms", "model_ms", "speedup"}
    assert printed["inspect"]["converted"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("calibrate", "middle"),
        ("fit", "operating points in all"),
        ("convert", "of the layers' MACs saved"),
        ("eval", "MACs saved"),
        ("bench", "speed-up"),
        ("inspect", "can be predicted"),
        ("selfcheck", "OK"),
    ],
)
def test_text_output(small, tmp_path: Path, name: str, expected: str) -> None:
    arguments = {
        "calibrate": [small.model, "--data", "random", "-o", tmp_path / "m.zapcal", "--samples", 8, "--epochs", 1],
        "fit": [small.calibration, "-o", tmp_path / "m.zapfit.json", "--method", "sigmoid"],
        "convert": conversion(small, tmp_path / "m.zap.onnx", "--epsilon", 0.1),
        "eval": [small.model, small.converted, "--data", "random", "--samples", 8],
        "bench": [small.converted, "--baseline", small.model, "--threads", "1,2", "--iterations", 2, "--warmup", 0],
        "inspect": [small.model],
        "selfcheck": [],
    }[name]
    result = invoke(name, *arguments)
    assert result.exit_code == 0, result.stderr
    assert expected in result.stdout


def test_bench_says_plainly_which_is_not_faster(small) -> None:
    """A model is not faster than itself in at least one of enough measurements."""
    arguments = ["bench", small.model, "--baseline", small.model, "--iterations", 3, "--threads", ",".join(["1"] * 12)]
    assert "is NOT faster than" in invoke(*arguments).stdout


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
        ("eval", "model"),
        ("bench", "model"),
        ("bench", "baseline"),
        ("inspect", "model"),
        ("fit", "calibration"),
        ("convert", "calibration"),
        ("convert", "fit"),
    ],
)
def test_damaged_files(small, tmp_path: Path, command: str, kind: str, damage: Damage) -> None:
    source = getattr(small, {"baseline": "model"}.get(kind, kind))
    bad = tmp_path / f"bad{source.suffix}"
    damage(source, bad)
    files = {"model": small.model, "calibration": small.calibration, "fit": small.fit, "baseline": small.model}
    files[kind] = bad
    output = tmp_path / "out" / "written"
    output.parent.mkdir()
    budget = ["--calibration", files["calibration"], "--fit", files["fit"], "-o", output, "--epsilon", 0.1]
    arguments = {
        "calibrate": [files["model"], "--data", "random", "-o", output],
        "fit": [files["calibration"], "-o", output],
        "convert": [files["model"], *budget],
        "eval": [small.model, files["model"], "--data", "random"],
        "bench": [files["model"], "--baseline", files["baseline"]],
        "inspect": [files["model"]],
    }[command]
    assert_fails(invoke(command, *arguments), 1, bad.name, output)


def test_artifacts_given_for_each_other(small, tmp_path: Path) -> None:
    output = tmp_path / "written"
    swapped = ["--calibration", small.fit, "--fit", small.calibration]
    result = invoke("convert", small.model, *swapped, "-o", output, "--epsilon", 0.1)
    assert_fails(result, 1, small.fit.name, output)


def test_calibration_of_another_model(small, other_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "written"
    arguments = ["--calibration", small.calibration, "--fit", small.fit, "-o", output, "--epsilon", 0.1]
    assert_fails(invoke("convert", other_model, *arguments), 1, "belongs to another model", output)


@pytest.mark.parametrize("command", ["calibrate", "eval"])
@pytest.mark.parametrize("spec", ["tarot", "npz:nowhere.npz", "images:nowhere", "py:nowhere.py:batches", "npz:"])
def test_data_that_do_not_exist(small, tmp_path: Path, command: str, spec: str) -> None:
    output = tmp_path / "written"
    arguments = [small.model, "--data", spec, *(["-o", output] if command == "calibrate" else [])]
    assert_fails(invoke(command, *arguments), 2, spec.partition(":")[2], output)


@pytest.mark.parametrize("command", ["eval", "bench"])
def test_unknown_provider(small, command: str) -> None:
    arguments = {"eval": ["--data", "random"], "bench": ["--baseline", small.model]}[command]
    result = invoke(command, small.model, *arguments, "--providers", "abacus,cpu")
    assert_fails(result, 2, "unknown provider 'abacus'")


def test_unknown_source(tmp_path: Path) -> None:
    output = tmp_path / "written"
    assert_fails(invoke("export", "resnet1800", "-o", output), 2, "resnet1800", output)


def test_budget_and_goal_exclude_each_other(small, tmp_path: Path) -> None:
    output = tmp_path / "written"
    assert_fails(invoke("convert", *conversion(small, output)), 2, "either", output)
    both = conversion(small, output, "--epsilon", 0.1, "--mac-saving", 0.1)
    assert_fails(invoke("convert", *both), 2, "either", output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "nowhere.onnx"], "'nowhere.onnx' does not exist"),
        (["eval", "--data", "random"], "MODEL"),
        (["fit", "MODEL"], "--output"),
        (["fit", "MODEL", "-o", "nowhere/m.zapfit.json"], "Directory 'nowhere' does not exist"),
        (["fit", "MODEL", "-o", "out", "--method", "guess"], "guess"),
        (["bench", "MODEL", "--baseline", "MODEL", "--threads", "one"], "no list of integers"),
        (["bench", "MODEL", "--baseline", "MODEL", "--input-shapes", "input:1,x"], "no list of integers"),
        (["bench", "MODEL", "--baseline", "MODEL", "--input-shapes", "1,3,12,12"], "no input's name and shape"),
        (["export", "digits", "-o", "out", "--input-shape", "1x3"], "no list of integers"),
        (["calibrate", "MODEL", "--data", "random", "-o", "out", "--samples", "0"], "--samples"),
        (["transmogrify"], "No such command"),
    ],
)
def test_usage_errors(
    small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*(small.model if argument == "MODEL" else argument for argument in arguments))
    assert_fails(result, 2, message, tmp_path / "out")


def test_missed_budget_writes_the_best_and_exits_with_3(small, tmp_path: Path) -> None:
    output = tmp_path / "m.zap.onnx"
    result = run("convert", *conversion(small, output, "--mac-saving", 0.9), "--json")
    assert result.returncode == 3
    assert "budget missed" in result.stderr
    assert "50.00%" in json.loads(result.stdout)["budget_missed"]
    assert output.is_file()


def test_output_that_the_system_refuses(small) -> None:
    result = invoke("fit", small.calibration, "-o", "/proc/m.zapfit.json")
    assert_fails(result, 1, "fit: /proc/", Path("/proc/m.zapfit.json"))


def test_reader_that_goes_away_is_no_bug(small) -> None:
    program = Path(sys.executable).with_name("zaponnx")
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run([program, "inspect", small.model], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert "bug" not in result.stderr
    assert "Traceback" not in result.stderr


def test_error_in_a_process(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    result = run("inspect", tmp_path / "empty.onnx", "--quiet")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"Error: inspect: {tmp_path / 'empty.onnx'}: the file is empty\n"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    result = invoke("inspect", tmp_path / "empty.onnx", "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert ModelError.__name__ in result.stderr


def test_quiet_is_silent_but_for_the_result(small) -> None:
    result = run("inspect", small.model, "--quiet")
    assert result.stderr == ""
    assert "middle" in result.stdout


def test_verbose_tells_the_steps(small, tmp_path: Path) -> None:
    arguments = [small.model, "--data", "random", "-o", tmp_path / "m.zapcal", "--samples", 8, "--epochs", 2]
    quiet, verbose = invoke("calibrate", *arguments), invoke("calibrate", *arguments, "--verbose")
    assert "epoch 2/2" in verbose.stderr
    assert "epoch 2/2" not in quiet.stderr


def test_warnings_are_shown_by_verbose_commands_only(small, tmp_path: Path) -> None:
    script = tmp_path / "warns.py"
    script.write_text(
        "import warnings\n\nimport numpy as np\n\n\ndef batches():\n    warnings.warn('old film')\n"
        "    yield {'input': np.ones((8, 3, 12, 12), np.float32)}\n"
    )
    arguments = ["eval", small.model, "--data", f"py:{script}:batches"]
    assert "old film" not in run(*arguments).stderr
    assert "old film" in run(*arguments, "--verbose").stderr


def test_an_unexpected_exception_is_called_a_bug(small, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**options: object) -> None:
        raise RuntimeError("off by one")

    monkeypatch.setattr(zaponnx, "inspect", broken, raising=False)
    assert_fails(invoke("inspect", small.model), 1, "a bug in zaponnx, RuntimeError: off by one")
    assert "Traceback" in invoke("inspect", small.model, "--debug").stderr


def test_interrupt_exits_with_130_and_writes_nothing(small, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import time\nfrom pathlib import Path\n\n\ndef batches():\n"
        f"    Path({str(tmp_path / 'started')!r}).touch()\n    time.sleep(60)\n    yield {{}}\n"
    )
    output = tmp_path / "out" / "m.zapcal"
    output.parent.mkdir()
    program = Path(sys.executable).with_name("zaponnx")
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
