"""convert, retune and strip with every version of ONNX Runtime, which checks what they write."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

import zaponnx
from zaponnx.artifact_files import save_calibration, save_fit
from zaponnx.artifacts import MAGNITUDES, Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.files import sha256
from zaponnx.models import model_sha256, save_model
from zaponnx.patterns import Pattern

Array = npt.NDArray[Any]

CHANNELS = 32
"""So many that the layers' weights stay on disk while the commands work on the model."""

SITES = ("middle", "Y")
NETWORK = f"""<ir_version: 8, opset_import: ["": 17]>
net (float[N, 4, H, W] X) => (float[N, {CHANNELS}, H, W] Y) {{
    stem = Conv <pads = [1, 1, 1, 1]> (X, W0)
    start = Relu (stem)
    first = Conv <pads = [1, 1, 1, 1]> (start, W1)
    middle = Relu (first)
    second = Conv <pads = [1, 1, 1, 1]> (middle, W2)
    sum = Add (second, start)
    Y = Relu (sum)
}}"""


@dataclass(frozen=True)
class Files:
    """A dense model with its artifacts. The operating points: ε 1 skips some outputs, ε 2 all but the pattern's."""

    model: Path
    calibration: Path
    fit: Path


@pytest.fixture
def files(tmp_path: Path) -> Callable[[bool], Files]:
    """Writes them: files(external_data)."""

    def write(external_data: bool) -> Files:
        rng = np.random.default_rng(7)
        result = Files(*(tmp_path / name for name in ("model.onnx", "model.zapcal", "model.zapfit.json")))
        model = onnx.parser.parse_model(NETWORK)
        for name, inputs in (("W0", 4), ("W1", CHANNELS), ("W2", CHANNELS)):
            weights = rng.standard_normal((CHANNELS, inputs, 3, 3), np.float32) / np.float32(math.sqrt(9 * inputs))
            model.graph.initializer.append(onnx.numpy_helper.from_array(weights, name))
        save_model(model, result.model, external_data=external_data)
        sites = tuple(_site(output, rng) for output in SITES)
        model_hash, edges = model_sha256(result.model), np.array([0], np.float32)
        save_calibration(Calibration(model_hash, Pattern.parse("B"), edges, sites, {}), result.calibration)
        points = tuple(
            OperatingPoint(epsilon, epsilon, mac_saved=epsilon / 4, thresholds=dict.fromkeys(SITES, (threshold,)))
            for epsilon, threshold in ((1.0, 0.0), (2.0, math.inf))
        )
        curves = {output: {"curve": "measured"} for output in SITES}
        fit = Fit(
            model_hash,
            sha256(result.calibration),
            "exact",
            granularity="layer",
            objective="sum",
            points=points,
            curves=curves,
        )
        save_fit(fit, result.fit)
        return result

    return write


def _site(output: str, rng: np.random.Generator) -> SiteCalibration:
    """A random predictor, with a histogram of one output in each of both bins."""
    shapes = ((CHANNELS, 1, 3, 3), (CHANNELS,), (CHANNELS, 1, 3, 3), (CHANNELS,))
    magnitudes = np.zeros((MAGNITUDES, 2), np.int64)
    magnitudes[0] = CHANNELS
    return SiteCalibration(
        name=output,
        output=output,
        channels=CHANNELS,
        macs_per_output=9 * CHANNELS,
        predictor=Predictor(*(rng.standard_normal(shape, np.float32) / 3 for shape in shapes)),
        counts=np.ones((CHANNELS, 2), np.int64),
        values=np.zeros((CHANNELS, 2)),
        total_value=1.0,
        outputs=4 * CHANNELS,
        samples=1,
        magnitudes=magnitudes,
    )


def run(model: Path, x: Array) -> Array:
    """With the library."""
    return np.asarray(zaponnx.InferenceSession(model, providers=["cpu"]).run(None, {"X": x})[0])


def run_plain(model: Path, x: Array) -> Array:
    """By the function bodies."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"X": x})[0])


@pytest.mark.parametrize("external_data", [False, True], ids=["embedded", "external"])
def test_a_model_is_converted_retuned_and_stripped(
    files: Callable[[bool], Files], x: Array, tmp_path: Path, external_data: bool
) -> None:
    dense = files(external_data)
    converted, retuned, stripped = (tmp_path / f"{name}.onnx" for name in ("converted", "retuned", "stripped"))
    for report in (
        zaponnx.convert(dense.model, dense.calibration, dense.fit, converted, epsilon=1),
        zaponnx.retune(converted, retuned, epsilon=2),
    ):
        assert [site.output for site in report.converted] == list(SITES)
        assert report.verification.ran == ("function bodies", "library")
    expected = run_plain(dense.model, x)
    zeros = [np.mean(each == 0) for each in (expected, run(converted, x), run(retuned, x))]
    assert zeros[0] + 0.05 < zeros[1] < zeros[2] - 0.05
    for model in (converted, retuned):
        np.testing.assert_allclose(run(model, x), run_plain(model, x), rtol=1e-4, atol=1e-4)
    assert zaponnx.strip(retuned, stripped).stripped == len(SITES)
    np.testing.assert_array_equal(run_plain(stripped, x), expected)
    assert all(Path(f"{path}.data").exists() == external_data for path in (converted, retuned, stripped))
