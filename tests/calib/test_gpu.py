"""Calibration, tuning and evaluation on a GPU, against the CPU's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import zaponnx
from zaponnx.artifacts import Predictor
from zaponnx.calib.capture import Capture
from zaponnx.calib.data import Batch
from zaponnx.calib.histograms import Histograms
from zaponnx.calib.training import PredictorTrainer
from zaponnx.cuda_half import cuda_half
from zaponnx.graph.finding import find_sites
from zaponnx.graph.site import Site
from zaponnx.patterns import Pattern
from zaponnx.providers import Provider
from zaponnx.runtime import open_session, session_options

STRICT: list[Provider] = [("CUDAExecutionProvider", {"use_tf32": 0})]
PATTERN = Pattern.parse("D")

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no GPU here")


@pytest.fixture
def cuda(model: onnx.ModelProto) -> torch.device:
    """The device of ONNX Runtime's CUDA provider, which starts here."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has no CUDAExecutionProvider")
    open_session(model.SerializeToString(), session_options(), STRICT, "test")
    return torch.device("cuda", 0)


def test_captured_outputs_are_the_cpus_and_on_the_gpu(cuda: torch.device, model: onnx.ModelProto) -> None:
    batch = Batch({"input": np.random.default_rng(0).standard_normal((4, 3, 6, 9)).astype(np.float32)}, None)
    sites, _ = find_sites(model)
    found = Capture(model, sites, providers=STRICT).run(batch)
    for ours, expected in zip(found, Capture(model, sites).run(batch), strict=True):
        assert ours.device == cuda
        torch.testing.assert_close(ours.cpu(), expected, atol=1e-4, rtol=0)


def test_histograms_count_on_the_gpu_what_they_count_on_the_cpu() -> None:
    """With a predictor of which all predictions are exact: one weight of 1, and small integers."""
    site = Site(name="conv", output="relu", residual="", channels=9, macs_per_output=18, bound=float("inf"))
    one = np.zeros((9, 1, 3, 3), np.float32)
    one[:, :, 1, 2] = 1
    predictor = Predictor(one, np.zeros(9, np.float32), one, np.zeros(9, np.float32))
    output = torch.randint(-9, 9, (3, 9, 13, 17)).float().relu()
    counted = []
    for device in ("cpu", "cuda"):
        histograms = Histograms([site], PATTERN, device=torch.device(device))
        histograms.add([output.to(device)], [predictor])
        counted += histograms.result([predictor])
    for name in ("counts", "values", "magnitudes", "blocks", "total_value", "outputs", "samples"):
        np.testing.assert_array_equal(*(getattr(each, name) for each in counted))


def test_predictors_learn_the_same_on_the_gpu() -> None:
    """To the rounding of TF32, in a few steps."""
    output = torch.randn(8, 4, 9, 9, generator=torch.Generator().manual_seed(0)).relu()
    trained = []
    for device in ("cpu", "cuda"):
        trainer = PredictorTrainer([4], PATTERN, 0, 8, device=torch.device(device))
        for _ in range(3):
            trainer.add([output.to(device)], 8)
        trained += trainer.predictors()
    for name in ("P1", "p1", "P2", "p2"):
        np.testing.assert_allclose(*(getattr(each, name) for each in trained), atol=0.02)


def test_the_flow_on_the_gpu(cuda: torch.device, model: onnx.ModelProto, tmp_path: Path) -> None:
    half = cuda_half(zaponnx.library_path())
    if half.problem:
        pytest.skip(half.problem)
    paths = [tmp_path / name for name in ("m.onnx", "m.zapcal", "m.zapfit.json", "m.zap.onnx")]
    onnx.save_model(model, paths[0])
    images = np.random.default_rng(0).standard_normal((32, 3, 16, 16)).astype(np.float32)
    np.savez(tmp_path / "data.npz", input=images, labels=np.arange(32) % 4)
    data = f"npz:{tmp_path / 'data.npz'}"
    zaponnx.calibrate(paths[0], data, paths[1], epochs=1, refine_steps=0, providers=STRICT)
    zaponnx.fit(paths[1], paths[2], block="64x1x1")
    report = zaponnx.convert(*paths, mac_saving=0.3, tune=True, data=data, providers=STRICT)
    assert report.tuning is not None
    assert "CUDAExecutionProvider" in report.tuning.device
    assert len(report.converted) + len(report.dense) == 3
    zaponnx.convert(*paths[:3], tmp_path / "all.zap.onnx", mac_saving=0.3)
    found = [zaponnx.eval([tmp_path / "all.zap.onnx"], data, providers=each) for each in (STRICT, None)]
    assert found[0].providers[0] == "CUDAExecutionProvider"
    gpu, cpu = (each.models[0] for each in found)
    assert gpu.mac_saved == pytest.approx(cpu.mac_saved, abs=0.01)
    assert gpu.top1 == pytest.approx(cpu.top1, abs=0.1)
