from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from zaponnx.artifacts import Calibration
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.data import Batch
from zaponnx.calib.devices import CPU
from zaponnx.calib.distributed import ALONE
from zaponnx.calib.learning import LearningNetwork, agreed_network
from zaponnx.calib.refining import Refiner


@pytest.fixture
def path(model: onnx.ModelProto, tmp_path: Path) -> Path:
    """The file of a model with two sites."""
    onnx.save_model(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def samples() -> Batch:
    """64 smooth images of 12x12."""
    values = np.random.default_rng(0).standard_normal((64, 3, 3, 3)).astype(np.float32)
    return Batch({"input": values.repeat(4, axis=2).repeat(4, axis=3)}, None)


@pytest.fixture
def data(samples: Batch, tmp_path: Path) -> str:
    """Their SPEC."""
    np.savez(tmp_path / "images.npz", **samples.inputs)
    return f"npz:{tmp_path / 'images.npz'}"


@pytest.fixture
def base(path: Path, data: str, tmp_path: Path) -> Calibration:
    """A calibration that is not refined."""
    return calibrate(path, data, tmp_path / "base.zapcal", epochs=2, refine_steps=0)


@pytest.fixture
def network(path: Path, base: Calibration, samples: Batch) -> LearningNetwork:
    return agreed_network(onnx.load_model(path), base, samples, path, CPU, ALONE)


@pytest.fixture
def any_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refined predictors are taken, whatever few steps have made of them."""
    monkeypatch.setattr(Refiner, "gain", lambda *_: 1.0)
