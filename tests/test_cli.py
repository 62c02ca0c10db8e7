"""The command line: every command and flag, and what goes to stdout and stderr."""

import inspect
import json
from pathlib import Path

import click
import pytest

import zaponnx
from zaponnx.cli import main

COMMANDS = [
    *("export", "calibrate", "analyze", "fit", "adopt", "convert", "finetune", "retune", "strip", "eval"),
    *("bench", "inspect", "report", "pack", "verify", "unpack", "zoo", "selfcheck", "demo", "reproduce"),
]
ZOO = ["list", "add", "get"]
FUNCTIONS = [name for name in COMMANDS if name != "zoo"] + [f"zoo {name}" for name in ZOO]
COMMON = {"as_json", "verbose", "quiet", "debug"}


def command(name: str) -> click.Command:
    """A command, of a group if its name says so."""
    group, _, inner = name.rpartition(" ")
    return main.commands[group].commands[inner] if group else main.commands[name]


@pytest.mark.parametrize(("group", "names"), [([], COMMANDS), (["zoo"], ZOO)])
def test_commands_are_listed_in_the_order_of_the_flow(invoke, group: list[str], names: list[str]) -> None:
    lines = invoke(*group, "--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == names
    assert not any(line.endswith("...") for line in lines)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_flags_are_keywords_of_the_function(name: str) -> None:
    keywords = inspect.signature(getattr(zaponnx, name.replace(" ", "_"))).parameters
    for parameter in command(name).params:
        if parameter.name in COMMON:
            continue
        keyword = keywords[parameter.name]
        if isinstance(parameter, click.Option):
            assert f"--{parameter.name.replace('_', '-')}" in parameter.opts
            if not parameter.required:
                given = isinstance(parameter.default, str | int | float | tuple | Path)
                default = parameter.default if given else None
                if parameter.callback:
                    default = parameter.callback(None, parameter, () if parameter.multiple else default)
                assert (default or None) == (keyword.default or None), parameter.name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_flag_has_a_help(invoke, name: str) -> None:
    result = invoke(*name.split(), "--help")
    assert result.exit_code == 0
    options = [parameter for parameter in command(name).params if isinstance(parameter, click.Option)]
    assert {option.name for option in options} >= COMMON
    for option in options:
        assert option.help, option.name
        assert option.opts[-1] in result.stdout


def test_version(invoke) -> None:
    assert invoke("--version").stdout.split()[-1] == zaponnx.__version__


def test_the_flow_in_processes(run, small, tmp_path: Path) -> None:
    """Each command prints one JSON object on stdout, and its start and finish on stderr."""
    calibration, fit, converted = (tmp_path / name for name in ("m.zapcal", "m.zapfit.json", "m.zap.onnx"))
    retuned, stripped = tmp_path / "retuned.zap.onnx", tmp_path / "stripped.onnx"
    package, zoo = tmp_path / "package.tar.gz", tmp_path / "zoo"
    zoo.mkdir()
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
            "--refine-steps",
            0,
            "--include",
            "mid",
        ],
        "fit": [calibration, "--output", fit, "--method", "exact"],
        "convert": [small.model, "--calibration", calibration, "--fit", fit, "-o", converted, "--mac-saving", 0.1],
        "retune": [converted, "-o", retuned, "--mac-saving", 0.3],
        "strip": [retuned, "-o", stripped],
        "eval": [small.model, converted, "--data", "random", "--samples", 8, "--batch-size", 4, "--providers", "cpu"],
        "bench": [converted, "--baseline", small.model, "--threads", "1", "--iterations", 3, "--warmup", 1],
        "inspect": [converted],
        "pack": [converted, retuned, "-o", package, "--tags", "tiny,test", "--license", "MIT", "--test-sets", 2],
        "verify": [package, "--providers", "cpu", "--tolerance", 0.01],
        "unpack": [package, "-o", tmp_path / "unpacked"],
        "zoo add": [zoo, package],
        "zoo list": [zoo, "--tag", "tiny", "--tag", "test"],
        "zoo get": [zoo, "package", "-o", tmp_path / "got.tar.gz"],
        "selfcheck": [],
    }
    printed = {}
    for name, arguments in commands.items():
        result = run(*name.split(), *arguments, "--json")
        assert result.returncode == 0, result.stderr
        printed[name] = json.loads(result.stdout)
        lines = result.stderr.splitlines()
        assert lines[0] == f"zaponnx {zaponnx.__version__} {name}"
        assert lines[-1].startswith(f"zaponnx {name}: done in ")
        assert len(lines) == 2, result.stderr
    assert [set(model) >= {"path", "top1", "top5", "mac_saved"} for model in printed["eval"]["models"]] == [True, True]
    assert printed["eval"]["models"][0]["mac_saved"] == 0
    assert printed["eval"]["models"][1]["mac_saved"] > 0
    assert set(printed["bench"]["runs"][0]) == {
        *("threads", "baseline_ms", "model_ms"),
        *("speedup", "speedup_low", "speedup_high"),
    }
    assert printed["inspect"]["converted"]
    assert printed["retune"].keys() == printed["convert"].keys()
    assert printed["retune"]["mac_saved"] >= 0.3
    assert stripped.read_bytes() == small.model.read_bytes()
    assert printed["verify"]["manifest"] == printed["pack"]["check"]["manifest"] == printed["unpack"]["manifest"]
    assert printed["zoo list"]["packages"] == printed["zoo add"]["packages"]
    assert printed["zoo get"]["sha256"] == printed["pack"]["sha256"]
    assert (tmp_path / "got.tar.gz").read_bytes() == package.read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("calibrate", "middle"),
        ("fit", "operating points in all"),
        ("convert", "see with zaponnx bench whether the model is faster"),
        ("retune", "see with zaponnx bench whether the model is faster"),
        ("strip", "1 ZapConv is dense again"),
        ("eval", "MACs saved"),
        ("bench", "speed-up"),
        ("inspect", "can be predicted"),
        ("report", "expected to be saved"),
        ("pack", "SHA-256"),
        ("verify", "all as the manifest says"),
        ("unpack", "all.zap.onnx"),
        ("zoo add", "licence not said"),
        ("zoo list", "package/model"),
        ("zoo get", "speed-up"),
        ("selfcheck", "OK"),
    ],
)
def test_text_output(invoke, small, tmp_path: Path, name: str, expected: str) -> None:
    package = tmp_path / "all.tar.gz"
    if name.startswith(("verify", "unpack", "zoo")):
        zaponnx.pack([small.converted], package)
        zaponnx.zoo_add(tmp_path, [package])
    arguments = {
        "calibrate": [
            small.model,
            "--data",
            "random",
            "-o",
            tmp_path / "m.zapcal",
            "--preset",
            "quick",
            "--samples",
            8,
        ],
        "fit": [small.calibration, "-o", tmp_path / "m.zapfit.json", "--method", "sigmoid"],
        "convert": [
            small.model,
            "--calibration",
            small.calibration,
            "--fit",
            small.fit,
            "-o",
            tmp_path / "m.zap.onnx",
            "--epsilon",
            0.1,
        ],
        "retune": [small.converted, "-o", tmp_path / "m.zap.onnx", "--epsilon", 0.1],
        "strip": [small.converted, "-o", tmp_path / "m.onnx"],
        "eval": [small.model, small.converted, "--data", "random", "--samples", 8],
        "bench": [small.converted, "--baseline", small.model, "--threads", "1,2", "--iterations", 2, "--warmup", 0],
        "inspect": [small.model],
        "report": [small.converted, "-o", tmp_path / "report.html"],
        "pack": [small.converted, "-o", package],
        "verify": [package],
        "unpack": [package, "-o", tmp_path / "all.zap.onnx"],
        "zoo add": [tmp_path, package],
        "zoo list": [tmp_path],
        "zoo get": [tmp_path, "all", "-o", tmp_path / "got"],
        "selfcheck": [],
    }[name]
    result = invoke(*name.split(), *arguments)
    assert result.exit_code == 0, result.stderr
    assert expected in result.stdout


def test_quiet_is_silent_but_for_the_result(run, small) -> None:
    result = run("inspect", small.model, "--quiet")
    assert result.stderr == ""
    assert "middle" in result.stdout


def test_verbose_tells_the_steps(invoke, small, tmp_path: Path) -> None:
    arguments = [small.model, "--data", "random", "-o", tmp_path / "m.zapcal", "--samples", 8, "--epochs", 2]
    arguments += ["--refine-steps", 1]
    quiet, verbose = invoke("calibrate", *arguments), invoke("calibrate", *arguments, "--verbose")
    assert "epoch 2/2" in verbose.stderr
    assert "epoch 2/2" not in quiet.stderr


def test_warnings_are_shown_by_verbose_commands_only(run, small, tmp_path: Path) -> None:
    script = tmp_path / "warns.py"
    script.write_text(
        "import warnings\n\nimport numpy as np\n\n\ndef batches():\n    warnings.warn('old film')\n"
        "    yield {'input': np.ones((8, 3, 12, 12), np.float32)}\n"
    )
    arguments = ["eval", small.model, "--data", f"py:{script}:batches"]
    assert "old film" not in run(*arguments).stderr
    assert "old film" in run(*arguments, "--verbose").stderr


def test_export_prints_one_json_object(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the user's own code prints."""
    (tmp_path / "zoo.py").write_text(
        "from torch import nn\n\nprint('imported')\n\n\ndef tiny():\n    print('built')\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
    )
    monkeypatch.chdir(tmp_path)
    result = run("export", "zoo:tiny", "-o", "tiny.onnx", "--input-shape", "1,3,8,8", "--json")
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert (printed["output"], printed["input_shape"], printed["top1"]) == ("tiny.onnx", [1, 3, 8, 8], None)
    assert {"imported", "built"} <= set(result.stderr.splitlines())


def test_demo_prints_one_json_object(invoke, demo_result, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole is run by the end-to-end tests, as text; demo.json, which they read, is this object."""
    monkeypatch.setattr(zaponnx, "demo", lambda **options: demo_result, raising=False)
    result = invoke("demo", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == json.loads(json.dumps(demo_result.to_json()))


def test_what_data_functions_print_is_no_result(run, small, tmp_path: Path) -> None:
    script = tmp_path / "chatty.py"
    script.write_text(
        "import numpy as np\n\n\ndef batches():\n    print('developing')\n"
        "    yield {'input': np.ones((8, 3, 12, 12), np.float32)}\n"
    )
    result = run("eval", small.model, "--data", f"py:{script}:batches", "--json")
    assert json.loads(result.stdout)["samples"] == 8
    assert "developing" in result.stderr
