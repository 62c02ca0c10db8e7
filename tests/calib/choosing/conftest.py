"""A calibration of the small network, and stand-ins for what runs its models, which are used if asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.calib.choosing.stand_ins import Evaluations, FakeStopwatch
from zaponnx.artifact_files import save_calibration
from zaponnx.artifacts import MAGNITUDES, Calibration, Predictor, SiteCalibration
from zaponnx.calib import running
from zaponnx.models import model_sha256
from zaponnx.patterns import Pattern


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> Evaluations:
    made = Evaluations()
    monkeypatch.setattr(running, "eval", made)
    return made


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> type[FakeStopwatch]:
    for name, value in (("in_full", -1.0), ("bonus", 0.0), ("models", 0), ("threads", 0)):
        monkeypatch.setattr(FakeStopwatch, name, value)
    monkeypatch.setattr(running, "Stopwatch", FakeStopwatch)
    return FakeStopwatch


@pytest.fixture(scope="module")
def calibration(small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration of the small network's site with histograms so even that the points lie close together."""
    generator = np.random.default_rng(0)
    edges = np.linspace(-1.5, 1.5, 65).astype(np.float32)
    shapes = ((8, 1, 3, 3), (8,), (8, 1, 3, 3), (8,))
    counts = generator.integers(1, 5, (8, 66)).astype(np.int64)
    values = counts * np.linspace(0, 1, 66) ** 2 * generator.uniform(0.5, 1.5, (8, 1))
    site = SiteCalibration(
        name="middle",
        output="active",
        channels=8,
        macs_per_output=72,
        predictor=Predictor(*(generator.normal(size=shape).astype(np.float32) for shape in shapes)),
        counts=counts,
        values=values,
        total_value=float(values.sum()) * 2,
        outputs=int(counts.sum()) * 2,
        samples=1,
        magnitudes=np.concatenate([counts.sum(axis=0)[None], np.zeros((MAGNITUDES - 1, 66), np.int64)]),
    )
    settings = {"data": "random", "split": "calibration", "samples": 16}
    path = tmp_path_factory.mktemp("choosing") / "model.zapcal"
    save_calibration(Calibration(model_sha256(small.model), Pattern.parse("B"), edges, (site,), settings), path)
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> str:
    """A SPEC of eight samples with labels for the small network."""
    samples = np.random.default_rng(0).standard_normal((8, 3, 12, 12)).astype(np.float32)
    np.savez(tmp_path / "held.npz", input=samples, labels=np.arange(8) % 5)
    return f"npz:{tmp_path / 'held.npz'}"


@pytest.fixture
def by_drop(calibration: Path, small, labelled: str, tmp_path: Path) -> dict[str, Any]:
    """The arguments of a search by accuracy."""
    output = tmp_path / "m.zapfit.json"
    return {"calibration": calibration, "output": output, "model": small.model, "data": labelled}


@pytest.fixture
def by_time(calibration: Path, small, tmp_path: Path) -> dict[str, Any]:
    """The arguments of a search by time."""
    output = tmp_path / "m.zapfit.json"
    arguments = {"calibration": calibration, "output": output, "model": small.model, "data": "random"}
    return arguments | {"threads": 1}
