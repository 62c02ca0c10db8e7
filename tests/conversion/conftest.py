"""A model with its artifacts, for the tests of convert."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import zaponnx.tuning
from tests.conversion.tuning import FakeStopwatch
from zaponnx.artifact_files import load_calibration, load_fit, save_calibration, save_fit
from zaponnx.artifacts import MAGNITUDES, Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.chosen_point import UsedData
from zaponnx.conversion import convert
from zaponnx.conversion_report import ConversionReport
from zaponnx.errors import ZapError
from zaponnx.files import sha256
from zaponnx.models import model_sha256, save_model
from zaponnx.patterns import Pattern

NETWORK = """<ir_version: {ir_version}, opset_import: ["": {opset}]>
net (float[N,4,12,12] x) => (float[N,8,12,12] y) {{
    [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)
    [first] c1 = Conv<pads=[1,1,1,1]>(s, W1) r1 = Relu(c1)
    [second] c2 = Conv<pads=[1,1,1,1]>(r1, W2) a = Add(c2, s) r2 = Relu(a)
    [head] h = Conv<pads=[1,1,1,1]>(r2, W2) y = Sigmoid(h)
}}"""


@pytest.fixture
def make_network() -> Callable[..., onnx.ModelProto]:
    """Builds the model: make_network(opset=..., ir_version=...)."""
    return network


def network(*, opset: int = 17, ir_version: int = 8) -> onnx.ModelProto:
    model = onnx.parser.parse_model(NETWORK.format(opset=opset, ir_version=ir_version))
    rng = np.random.default_rng(0)
    for name, inputs in (("W0", 4), ("W1", 8), ("W2", 8)):
        weights = rng.normal(size=(8, inputs, 3, 3)) / math.sqrt(9 * inputs)
        model.graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), name))
    return model


def with_batch_norm(model: onnx.ModelProto) -> None:
    """Puts a BatchNormalization behind the Conv 'first', and gives its clipped ReLU constant bounds."""
    rng = np.random.default_rng(1)
    for name in ("scale", "shift", "mean", "var"):
        model.graph.initializer.append(numpy_helper.from_array(rng.uniform(0.5, 1, 8).astype(np.float32), name))
    for name, value in (("low", 0), ("high", 6)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    relu = next(node for node in model.graph.node if node.output[0] == "r1")
    relu.op_type, relu.input[:] = "Clip", ["n1", "low", "high"]
    normalization = helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"])
    model.graph.node.insert(list(model.graph.node).index(relu), normalization)


@dataclass(frozen=True)
class Files:
    """A model with its artifacts. Operating points: ε 0 skips nothing, 0.5 one site, 1 both, 2 all but the pattern."""

    model: Path
    calibration: Path
    fit: Path
    output: Path

    def calibrate_again(self, **changes: object) -> None:
        """Changes the calibration and gives the fit its hash, as if it had been fitted to that one."""
        save_calibration(replace(load_calibration(self.calibration), **changes), self.calibration)
        save_fit(replace(load_fit(self.fit), calibration_sha256=sha256(self.calibration)), self.fit)

    def convert(self, **budget: Any) -> ConversionReport:
        return convert(self.model, self.calibration, self.fit, self.output, **budget)

    def assert_refused(self, error: type[ZapError], text: str, **budget: Any) -> None:
        """One sentence with the phase, and no file more than before."""
        before = sorted(self.model.parent.iterdir())
        with pytest.raises(error, match=text) as caught:
            self.convert(**(budget or {"epsilon": 1.0}))
        assert str(caught.value).startswith("convert: ")
        assert "\n" not in str(caught.value)
        assert sorted(self.model.parent.iterdir()) == before


def site_calibration(name: str, output: str, macs_per_output: int) -> SiteCalibration:
    rng = np.random.default_rng(len(output))
    shapes = ((8, 1, 3, 3), (8,), (8, 1, 3, 3), (8,))
    predictor = Predictor(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))
    magnitudes = np.zeros((MAGNITUDES, 3), np.int64)
    magnitudes[0] = 8
    counts, values = np.ones((8, 3), np.int64), np.ones((8, 3))
    totals = (50.0, 2 * 8 * 144, 2)
    return SiteCalibration(name, output, 8, macs_per_output, predictor, counts, values, *totals, magnitudes)


def point(epsilon: float, mac_saved: float, first: float, second: float) -> OperatingPoint:
    return OperatingPoint(epsilon, epsilon * 0.9, mac_saved, {"r1": (first,), "r2": (second,)})


@pytest.fixture
def make_files(tmp_path: Path) -> Callable[..., Files]:
    """Writes the model and its artifacts: make_files(opset=..., ir_version=..., external_data=..., edit=...)."""

    def make(
        *, external_data: bool = False, edit: Callable[[onnx.ModelProto], None] = lambda model: None, **versions: int
    ) -> Files:
        files = Files(*(tmp_path / name for name in ("m.onnx", "m.zapcal", "m.zapfit.json", "m.zap.onnx")))
        model = network(**versions)
        edit(model)
        save_model(model, files.model, external_data=external_data)
        model_hash = model_sha256(files.model)
        sites = (site_calibration("first", "r1", 72), site_calibration("second", "r2", 72))
        edges = np.array([0, 1], np.float32)
        settings = {"data": "images:pictures", "samples": 64, "seed": 7, "epochs": 1}
        save_calibration(Calibration(model_hash, Pattern.parse("D"), edges, sites, settings), files.calibration)
        points = (
            point(0.0, 0.0, -math.inf, -math.inf),
            point(0.5, 0.2, 0.25, -math.inf),
            point(1.0, 0.3, 0.5, 0.125),
            point(2.0, 0.6, math.inf, math.inf),
        )
        curves = {output: {"curve": "measured"} for output in ("r1", "r2")}
        options = ("exact", "layer", "sum")
        used = UsedData.by_calibration(settings)
        save_fit(Fit(model_hash, sha256(files.calibration), *options, points, curves, used), files.fit)
        return files

    return make


@pytest.fixture
def make_batch_norm_files(make_files: Callable[..., Files]) -> Callable[..., Files]:
    """As make_files, with a batch norm in the first site."""
    return partial(make_files, edit=with_batch_norm)


@pytest.fixture
def files(make_files: Callable[..., Files]) -> Files:
    return make_files()


@pytest.fixture
def gains(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes up the times: gains(r1=..., r2=..., whole=..., in_full={...})."""

    def make(whole: float = 1.0, in_full: Mapping[str, float] | None = None, **sites: float) -> None:
        in_full = in_full or dict.fromkeys(sites, -1.0)
        for name, value in (("gains", sites), ("in_full", in_full), ("whole", whole), ("made", [])):
            monkeypatch.setattr(FakeStopwatch, name, value, raising=False)
        monkeypatch.setattr(zaponnx.tuning, "Stopwatch", FakeStopwatch)

    return make
