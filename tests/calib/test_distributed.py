"""Calibration and evaluation by two processes: the same steps and curves as by one, and one message if one fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import Result

import zaponnx
from tests.calib.processes import Ended, run_processes
from zaponnx.artifact_files import load_calibration
from zaponnx.artifacts import Calibration

RECORDING = Path(__file__).with_name("recording.py")
ENDING = Path(__file__).with_name("ending.py")
REFINING = Path(__file__).with_name("refining_steps.py")


@pytest.fixture
def path(model: onnx.ModelProto, tmp_path: Path) -> Path:
    """The file of a model with two sites."""
    onnx.save_model(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A data SPEC of 45 labelled images of 8 x 8: in blocks of ten the last has an odd number that train."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((45, 3, 4, 4)).astype(np.float32).repeat(2, axis=2).repeat(2, axis=3)
    np.savez(tmp_path / "images.npz", input=images, labels=generator.integers(0, 4, 45))
    return f"npz:{tmp_path / 'images.npz'}"


def shares(calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """What each threshold skips and loses, as shares of all outputs and values: (sites, bins) each."""
    skipped = [np.cumsum(site.counts.sum(axis=0)) / site.outputs for site in calibration.sites]
    lost = [np.cumsum(site.values.sum(axis=0)) / site.total_value for site in calibration.sites]
    return np.array(skipped), np.array(lost)


def failed(processes: list[Ended], message: str) -> None:
    """Asserts that all processes have failed, and one of them has said why."""
    assert all(process.code == 1 for process in processes)
    errors = [line for process in processes for line in process.stderr.splitlines() if "Error" in line]
    assert len(errors) == 1, errors
    assert message in errors[0]
    assert not any(process.stdout for process in processes)


def record(processes: int, *arguments: object, blocks: int = 0) -> list[np.ndarray]:
    """The gradients of the steps of a calibration, interrupted after so many blocks."""
    *_, gradients = arguments
    ended = run_processes(processes, RECORDING, *arguments, blocks)
    assert [process.code for process in ended] == [0] * processes, ended[-1].stderr
    assert [process.stdout for process in ended] == ["interrupted\n" if blocks else ""] * processes
    with np.load(str(gradients)) as recorded:
        return list(recorded.values())


def test_two_processes_take_the_steps_of_one(path: Path, data: str, tmp_path: Path) -> None:
    """To the rounding of float32 sums in another order, which may move a few predictions across an edge.

    Also if they are interrupted: after three of five blocks, that is after two steps of eight samples and in another.
    """
    outputs = [tmp_path / name for name in ("alone.zapcal", "shared.zapcal")]
    alone = record(1, path, data, outputs[0], tmp_path / "alone.npz")
    begun = record(2, path, data, outputs[1], tmp_path / "begun.npz", blocks=4)
    resumed = record(2, path, data, outputs[1], tmp_path / "resumed.npz")
    assert len(alone) == 2 * 5  # 34 samples train
    assert len(begun) == 3
    for shared, steps in ((begun, alone[:3]), (resumed, alone[2:])):
        for ours, theirs in zip(shared, steps, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    made = [load_calibration(output) for output in outputs]
    assert [site.samples for site in made[1].sites] == [11, 11]
    for alone, shared in zip(made[0].sites, made[1].sites, strict=True):
        assert shared.outputs == alone.outputs
        assert shared.total_value == pytest.approx(alone.total_value, rel=1e-6)
    for alone, shared in zip(shares(made[0]), shares(made[1]), strict=True):
        np.testing.assert_allclose(shared, alone, atol=1e-3)
    assert made[1].settings["processes"] == 2


def test_two_processes_refine_as_one(path: Path, data: str, tmp_path: Path) -> None:
    """To rounding, in three steps, in parts of which one process has none."""
    calibration = tmp_path / "model.zapcal"
    zaponnx.calibrate(path, data, calibration, epochs=1, refine_steps=0)
    refined = []
    for processes in (1, 2):
        output = tmp_path / f"{processes}.npz"
        ended = run_processes(processes, REFINING, path, data.removeprefix("npz:"), calibration, output)
        assert [process.code for process in ended] == [0] * processes, ended[-1].stderr
        with np.load(output) as found:
            refined.append(np.concatenate([array.ravel() for array in found.values()]))
    before = [array.ravel() for site in load_calibration(calibration).sites for array in vars(site.predictor).values()]
    assert np.abs(refined[0] - np.concatenate(before)).max() > 1e-3
    np.testing.assert_allclose(refined[1], refined[0], atol=1e-5)


def test_the_groups_threads_end_before_python_does() -> None:
    """Also where an optimiser is made after it, whose imports hold the group: threads that go on may abort."""
    ended = run_processes(2, ENDING)
    assert [(process.code, process.stdout) for process in ended] == [(0, "True\nFalse\n")] * 2, ended[-1].stderr


def test_under_torchrun_one_process_writes_and_prints(path: Path, data: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "zaponnx"]
    options = ["calibrate", path, "--data", data, "-o", tmp_path / "model.zapcal", "--epochs", "1", "--json"]
    options += ["--refine-steps", "3", "--pattern", "B,D"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)["sites"]) == 2
    settings = json.loads(result.stdout)["settings"]
    assert settings["refine_steps"] == 3 or "nearer" in settings["not_refined"]  # by so few steps either may be
    assert settings["pattern_savings"].keys() == {"B", "D"}
    assert result.stderr.count("zaponnx calibrate: done") == 1
    assert len(load_calibration(tmp_path / "model.zapcal").sites) == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["images.npz", "model.onnx", "model.zapcal"]


def test_eval_adds_up_what_the_processes_counted(path: Path, data: str) -> None:
    """Five batches."""
    alone = zaponnx.eval([path], data, batch_size=10).to_json()
    assert 0 < alone["models"][0]["top1"] < 1
    shared = run_processes(2, "-m", "zaponnx", "eval", path, "--data", data, "--batch-size", 10, "--json")
    assert [process.code for process in shared] == [0] * 2, shared[-1].stderr
    assert json.loads(shared[0].stdout) == json.loads(json.dumps(alone))
    assert shared[1].stdout == ""


def test_an_error_of_one_process_ends_all_with_one_message(path: Path, tmp_path: Path) -> None:
    """Sample 5 trains in the step of samples 0 to 9, which both share."""
    images = np.ones((16, 3, 8, 8), np.float32)
    images[5] = np.nan
    np.savez(tmp_path / "nan.npz", input=images)
    output = tmp_path / "model.zapcal"
    options = ["--data", f"npz:{tmp_path / 'nan.npz'}", "-o", output]
    failed(run_processes(2, "-m", "zaponnx", "calibrate", path, *options), "middle: the output has NaN")
    assert not output.exists()


def test_an_error_of_all_processes_is_one_message(path: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "few.npz", input=np.ones((3, 3, 8, 8), np.float32))
    options = ["--data", f"npz:{tmp_path / 'few.npz'}", "-o", tmp_path / "model.zapcal"]
    failed(run_processes(2, "-m", "zaponnx", "calibrate", path, *options), "3 samples are too few")


def test_commands_that_cannot_be_shared_say_so(
    invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("zaponnx.commands.speaks_of_failure", lambda: True)
    result = invoke("inspect", path)
    assert result.exit_code == 2
    assert "inspect: 2 processes of torchrun cannot share this; run it without torchrun" in result.output
