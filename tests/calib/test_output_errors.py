"""Weights of errors: what skipping in one layer does to the model's outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.artifacts import Calibration
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.data import open_data
from zaponnx.calib.output_errors import held_out, with_weights
from zaponnx.calib.sharing import Plan
from zaponnx.progress import silent

Branches = """<ir_version: 8, opset_import: ["": 17]>
branches (float[N, 3, 12, 12] input) => (float[N, 6, 12, 12] output) {
    stem = Conv <pads = [1, 1, 1, 1]> (input, W0)
    stem_active = Relu (stem)
    a = Conv <pads = [1, 1, 1, 1]> (stem_active, W1)
    a_active = Relu (a)
    b = Conv <pads = [1, 1, 1, 1]> (stem_active, W2)
    b_active = Relu (b)
    a_scaled = Mul (a_active, A)
    b_scaled = Mul (b_active, B)
    output = Add (a_scaled, b_scaled)
}"""

Weigh = Callable[[float, float], list[float]]


@pytest.fixture
def weigh(tmp_path: Path) -> Weigh:
    """The weights of two equal sites whose outputs are scaled and added."""
    generator = np.random.default_rng(0)
    images = generator.standard_normal((64, 3, 3, 3)).astype(np.float32).repeat(4, axis=2).repeat(4, axis=3)
    np.savez(tmp_path / "images.npz", input=images)
    weights = [generator.standard_normal(shape).astype(np.float32) / 4 for shape in ((8, 3, 3, 3), (6, 8, 3, 3))]

    def measure(first: float, second: float) -> list[float]:
        model = onnx.parser.parse_model(Branches)
        scales = [np.array(scale, np.float32) for scale in (first, second)]
        for name, array in zip(("W0", "W1", "W2", "A", "B"), (*weights, weights[1], *scales), strict=True):
            model.graph.initializer.append(numpy_helper.from_array(array, name))
        for node in model.graph.node:
            node.name = node.output[0]
        path, spec = tmp_path / "model.onnx", f"npz:{tmp_path / 'images.npz'}"
        onnx.save_model(model, path)
        made = calibrate(path, spec, tmp_path / "model.zapcal", epochs=1, refine_steps=0)
        a, b = made.sites
        equal: Calibration = replace(made, sites=(a, replace(a, name=b.name, output=b.output)))
        source = open_data(spec, model, split="calibration", samples=None, batch_size=64, preprocess=None, seed=0)
        batches = held_out(source, 64, Plan(0, 8))
        return [site.weight for site in with_weights(equal, model, batches, None, silent, path).sites]

    return measure


def test_the_weight_is_the_square_of_what_an_error_moves(weigh: Weigh) -> None:
    assert weigh(1.0, 3.0) == pytest.approx([0.2, 1.8], rel=1e-4)


def test_what_moves_nothing_has_a_small_weight(weigh: Weigh) -> None:
    assert weigh(1.0, 0.0) == pytest.approx([2.0, 0.05])


def test_where_no_error_does_anything_all_weights_are_equal(weigh: Weigh) -> None:
    assert weigh(0.0, 0.0) == [1.0, 1.0]


def test_the_samples_are_the_first_that_are_held_out(model: onnx.ModelProto, tmp_path: Path) -> None:
    numbers = np.arange(300, dtype=np.float32)[:, None, None, None]
    np.savez(tmp_path / "numbers.npz", input=np.broadcast_to(numbers, (300, 3, 4, 4)))
    spec = f"npz:{tmp_path / 'numbers.npz'}"
    source = open_data(spec, model, split="calibration", samples=None, batch_size=50, preprocess=None, seed=0)
    batches = held_out(source, 50, Plan(0, 8))
    found = np.concatenate([batch.inputs["input"][:, 0, 0, 0] for batch in batches])
    np.testing.assert_array_equal(found, np.arange(64) * 4 + 3)
    assert max(batch.size for batch in batches) <= 16


def test_outputs_that_are_not_finite_weigh_nothing(weigh: Weigh, caplog: pytest.LogCaptureFixture) -> None:
    assert weigh(math.inf, 1.0) == [1.0, 1.0]
    assert "the model's output has NaN or infinite values" in caplog.text
