"""Interrupted calibrations: they go on to the same result; files that do not fit are not used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import onnx
import pytest

from zaponnx.artifacts import Calibration
from zaponnx.calib import checkpoint as checkpoints
from zaponnx.calib import partial_file
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.data.source import DataSource


@pytest.fixture(autouse=True)
def always_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)


@pytest.fixture
def arguments(model: onnx.ModelProto, tmp_path: Path) -> dict[str, Any]:
    """Three passes that train, of four blocks of ten samples and a smaller one; steps of 8 lie across them."""
    onnx.save_model(model, tmp_path / "model.onnx")
    images = np.random.default_rng(0).standard_normal((42, 3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "images.npz", input=images)
    return {
        "model": tmp_path / "model.onnx",
        "data": f"npz:{tmp_path / 'images.npz'}",
        "output": tmp_path / "model.zapcal",
        "epochs": 3,
        "batch_size": 10,
        "refine_steps": 0,
    }


class _Interrupt:
    """A progress that interrupts after so many reports."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, step: str, done: int, total: int | None) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1


def interrupted(arguments: dict[str, Any], after: int) -> Path:
    """The checkpoint of a calibration that is interrupted after so many blocks."""
    with pytest.raises(KeyboardInterrupt):
        calibrate(**arguments, progress=_Interrupt(after))
    assert not arguments["output"].exists()
    return arguments["output"].with_name("model.zapcal.partial")


def assert_same(first: Calibration, second: Calibration) -> None:
    assert first.settings == second.settings
    for ours, theirs in zip(first.sites, second.sites, strict=True):
        for name in ("P1", "p1", "P2", "p2"):
            assert np.array_equal(getattr(ours.predictor, name), getattr(theirs.predictor, name))
        assert np.array_equal(ours.values, theirs.values)
        assert np.array_equal(ours.counts, theirs.counts)
        assert (ours.total_value, ours.samples) == (theirs.total_value, theirs.samples)


@pytest.fixture
def blocks_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where the blocks start that were not only skipped."""
    starts: list[int] = []
    original = DataSource.blocks

    def counted(self: DataSource, *arguments: Any) -> Iterator[Any]:
        for block in original(self, *arguments):
            if block.chosen is not None:
                starts.append(block.start)
            yield block

    monkeypatch.setattr(DataSource, "blocks", counted)
    return starts


@pytest.mark.parametrize("after", [3, 15, 18])
def test_the_result_is_that_of_an_uninterrupted_run(
    arguments: dict[str, Any], caplog: pytest.LogCaptureFixture, blocks_read: list[int], after: int
) -> None:
    whole = calibrate(**arguments)
    content = arguments["output"].read_bytes()
    arguments["output"].unlink()
    partial = interrupted(arguments, after)
    assert partial.exists()
    blocks_read.clear()
    assert_same(calibrate(**arguments), whole)
    assert arguments["output"].read_bytes() == content
    assert "going on from" in caplog.text
    assert not partial.exists()
    # Five blocks in each of three passes that train, and four with samples to measure, which the last pass reads again.
    assert len(blocks_read) == 3 * 5 + 4 - after + 4


def test_twice_interrupted(arguments: dict[str, Any]) -> None:
    whole = calibrate(**arguments)
    arguments["output"].unlink()
    interrupted(arguments, 3)
    interrupted(arguments, 6)
    assert_same(calibrate(**arguments), whole)


@pytest.mark.parametrize("after", [15 + 5, 15 + 5 + 2 + 8 + 1, 15 + 5 + 2 + 8 + 3, 15 + 5 + 2 + 8 + 5 + 2])
def test_refining_goes_on(
    arguments: dict[str, Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Before it, in a pass, in the next pass, and in the pass that measures again.

    Three passes that train and one that measures, of five blocks; two sites' weights; where to refine, in two
    rounds of four batches; five steps, two of 32 samples and fewer to a pass.
    """
    monkeypatch.setattr("zaponnx.calib.refining.Refiner.gain", lambda *_: 1.0)
    arguments |= {"refine_steps": 5}
    whole = calibrate(**arguments)
    assert whole.settings["refine_steps"] == 5
    content = arguments["output"].read_bytes()
    arguments["output"].unlink()
    interrupted(arguments, after)
    assert_same(calibrate(**arguments), whole)
    assert arguments["output"].read_bytes() == content
    assert "going on from" in caplog.text


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"epochs": 2}, "epochs"),
        ({"refine_steps": 2}, "refine_steps"),
        ({"pattern": "B", "exclude": "end"}, "exclude, pattern, sites"),
    ],
)
def test_other_settings_start_anew(
    arguments: dict[str, Any], caplog: pytest.LogCaptureFixture, other: dict[str, Any], named: str
) -> None:
    whole = calibrate(**arguments | other)
    arguments["output"].unlink()
    partial = interrupted(arguments, 7)
    assert_same(calibrate(**arguments | other), whole)
    assert f"model.zapcal.partial is of another {named}: starting anew" in caplog.text
    assert not partial.exists()


def test_another_model_starts_anew(
    arguments: dict[str, Any], model: onnx.ModelProto, caplog: pytest.LogCaptureFixture
) -> None:
    interrupted(arguments, 7)
    model.doc_string = "other"
    onnx.save_model(model, arguments["model"])
    calibrate(**arguments)
    assert "is of another model_sha256: starting anew" in caplog.text


@pytest.mark.parametrize("damage", ["flipped", "empty", "older"])
def test_damaged_files_are_not_used(arguments: dict[str, Any], caplog: pytest.LogCaptureFixture, damage: str) -> None:
    whole = calibrate(**arguments)
    arguments["output"].unlink()
    partial = interrupted(arguments, 7)
    content = bytearray(partial.read_bytes())
    content[len(content) // 2] ^= 255
    damaged = {
        "flipped": bytes(content),
        "empty": b"",
        "older": partial.read_bytes().replace(b"checkpoint 2", b"checkpoint 1", 1),
    }
    partial.write_bytes(damaged[damage])
    with caplog.at_level(logging.WARNING):
        assert_same(calibrate(**arguments), whole)
    assert "model.zapcal.partial is damaged, or another version's: starting anew" in caplog.text
    assert not partial.exists()


def test_code_in_a_file_is_not_run(arguments: dict[str, Any]) -> None:
    partial = interrupted(arguments, 7)
    evil = b"cos\nmkdir\n(S'" + str(partial.parent / "made").encode() + b"'\ntR."
    partial.write_bytes(partial_file._header(evil) + evil)
    with pytest.raises(UnpicklingError):
        calibrate(**arguments)
    assert not (partial.parent / "made").exists()


def test_a_run_of_seconds_leaves_none(arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 1e9)
    assert not interrupted(arguments, 7).exists()
