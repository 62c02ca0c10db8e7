"""The command line's usage errors: one clear sentence, exit code 2, and nothing written, least of all over an input."""

from pathlib import Path

import pytest

from tests.failing import assert_fails, conversion


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


def test_providers_may_have_options(invoke, small, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("zaponnx.bench", lambda *arguments, **keywords: asked.append(keywords["providers"]))
    invoke("bench", small.model, "--baseline", small.model, "--providers", "cuda:use_tf32=0:device_id=1,cpu")
    assert asked == [[("cuda", {"use_tf32": "0", "device_id": "1"}), "cpu"]]


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
        *(
            (["bench", "MODEL", "--baseline", "MODEL", "--providers", given], "no list such as cuda:use_tf32=0,cpu")
            for given in ("cpu:fast", "cuda:=1", "cuda:use_tf32=", "cuda:use_tf32=0:use_tf32=1")
        ),
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


def test_a_data_script_is_not_overwritten(invoke, small, tmp_path: Path) -> None:
    script = tmp_path / "data.py"
    script.write_text("def batches(): ...\n")
    result = invoke("calibrate", small.model, "--data", f"py:{script}:batches", "-o", script)
    assert_fails(result, 2, "the output is also an input")
    assert script.read_text() == "def batches(): ...\n"
