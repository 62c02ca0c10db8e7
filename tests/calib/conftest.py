"""Models and curves for the tests of calibration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.calib.curves import Curve

TwoSites = """<ir_version: 8, opset_import: ["": 17]>
two_sites (float[N, 3, H, W] input) => (float[N, 4] output) {
    stem = Conv <pads = [1, 1, 1, 1]> (input, W0)
    stem_active = Relu (stem)
    middle = Conv <pads = [1, 1, 1, 1]> (stem_active, W1)
    active = Relu (middle)
    end = Conv <pads = [1, 1, 1, 1]> (active, W2)
    end_active = Relu (end)
    pooled = GlobalAveragePool (end_active)
    output = Flatten (pooled)
}"""


@pytest.fixture
def model() -> onnx.ModelProto:
    """Input "input" (N, 3, H, W); sites "middle" and "end", which write "active" (6 channels) and "end_active" (4)."""
    model = onnx.parser.parse_model(TwoSites)
    generator = np.random.default_rng(0)
    for name, shape in {"W0": (8, 3, 3, 3), "W1": (6, 8, 3, 3), "W2": (4, 6, 3, 3)}.items():
        weights = generator.standard_normal(shape).astype(np.float32) / 4
        model.graph.initializer.append(numpy_helper.from_array(weights, name))
    for node in model.graph.node:
        node.name = node.output[0]
    return model


@pytest.fixture
def random_curve() -> Callable[[np.random.Generator, str, int], Curve]:
    """Makes a site's curves of six thresholds with random steps, some of them without error or without saving."""

    def make(generator: np.random.Generator, site: str, rows: int) -> Curve:
        def curves() -> np.ndarray:
            steps = (generator.integers(0, 4, (rows, 5)) * generator.random((rows, 5))).astype(np.float32)
            return np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0))).astype(np.float64)

        error, saved = curves(), curves()
        thresholds = np.array([-np.inf, -1.0, 0.0, 0.5, 1.0, np.inf])
        return Curve(site, site, thresholds, error, saved, macs=float(saved[:, -1].sum()) + 1)

    return make
