"""Refined predictors: what they gain, by what steps, and what is not refined."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import Result
from onnx import helper

import zaponnx
from zaponnx.artifact_files import load_calibration
from zaponnx.artifacts import Calibration, OperatingPoint
from zaponnx.calib.calibration import _refine_steps, calibrate
from zaponnx.calib.data import Batch
from zaponnx.calib.data.digits import digit_images, upsampled
from zaponnx.calib.devices import CPU
from zaponnx.calib.distributed import ALONE
from zaponnx.calib.divergence import divergence
from zaponnx.calib.fitting import exact_points
from zaponnx.calib.hulls import hulls
from zaponnx.calib.learning import LearningNetwork, RefiningError, agreed_network
from zaponnx.calib.refining import STEP_SAMPLES, Refiner
from zaponnx.calib.refining_points import RefiningPoints, divergences, refining_points
from zaponnx.calib.worths import worths
from zaponnx.errors import InvalidArgument
from zaponnx.runtime import InferenceSession


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


def parameters(refiner: Refiner) -> np.ndarray:
    return np.concatenate([array.ravel() for each in refiner.predictors() for array in vars(each).values()])


def moved(model: Path, calibration: Path, images: np.ndarray, saving: float) -> tuple[float, float]:
    """The outputs' divergence and what is saved, of a model converted at a saving."""
    fit, converted = (calibration.with_suffix(suffix) for suffix in (".zapfit.json", ".zap.onnx"))
    zaponnx.fit(calibration, fit)
    zaponnx.convert(model, calibration, fit, converted, mac_saving=saving)
    name = InferenceSession(model).get_inputs()[0].name
    dense, skipping = (
        torch.from_numpy(InferenceSession(each).run(None, {name: images})[0]) for each in (model, converted)
    )
    distance, scale = divergence(dense, skipping)
    np.savez(calibration.with_suffix(".npz"), **{name: images})
    found = zaponnx.eval([converted], f"npz:{calibration.with_suffix('.npz')}").models[0]
    assert found.mac_saved is not None
    return float(distance / scale), found.mac_saved


def test_less_changes_at_an_equal_saving(digits: Any, tmp_path: Path) -> None:
    """On the digits network, on images that took no part; a few steps lower the divergence by a third."""
    images = upsampled(digit_images("test")[0][:300], 3, 32, 32)
    found = []
    for steps in (0, 24):
        calibration = tmp_path / f"{steps}.zapcal"
        calibrate(digits.model, "digits", calibration, samples=384, epochs=2, refine_steps=steps)
        found.append(moved(digits.model, calibration, images, 0.5))
    assert found[1][1] == pytest.approx(found[0][1], abs=0.02)
    assert found[1][0] < 0.66 * found[0][0]


def found_by_divergence(
    monkeypatch: pytest.MonkeyPatch, at: Callable[[float], float], **arguments: Any
) -> RefiningPoints:
    """The points if the divergence is `at` the MACs saved."""

    def measured(_: object, points: list[OperatingPoint], *others: object) -> tuple[np.ndarray, float]:
        return np.array([at(point.mac_saved) for point in points]), 2.0

    monkeypatch.setattr("zaponnx.calib.refining_points.divergences", measured)
    return refining_points(**arguments)


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        (lambda saved: 0.0015 * 200 ** ((saved - 0.2) / 0.3), (0.2, 0.5)),
        (lambda saved: 1e-6, (2 / 3, 2 / 3)),  # D leaves two thirds to skip
        (lambda saved: 9.0, (2 / 3 / 12, 2 / 3 / 12)),
    ],
    ids=["within", "nothing does harm", "everything does"],
)
def test_the_points_are_evenly_spread_over_what_the_network_bears(
    monkeypatch: pytest.MonkeyPatch,
    network: LearningNetwork,
    base: Calibration,
    samples: Batch,
    at: Callable[[float], float],
    ends: tuple[float, float],
) -> None:
    found = found_by_divergence(monkeypatch, at, network=network, calibration=base, samples=[samples])
    saved = [point.mac_saved for point in found.points]
    np.testing.assert_allclose(saved, np.linspace(*ends, 6), atol=0.03)
    assert found.divergences.tolist() == [at(each) for each in saved]
    assert found.unit == 2.0


def test_divergences_are_those_of_converted_models(
    network: LearningNetwork, base: Calibration, samples: Batch, path: Path, tmp_path: Path
) -> None:
    """Of outputs that are no scores, in ONNX Runtime and in parts of any size."""
    calibration = tmp_path / "base.zapcal"
    savings = (0.2, 0.4)
    expected = [moved(path, calibration, samples.inputs["input"], saving)[0] for saving in savings]
    found_points = exact_points(hulls(base, "channel"), "output")
    points = [next(point for point in found_points if point.mac_saved >= saving) for saving in savings]
    parts = [samples.take(slice(start, start + 24)) for start in (0, 24, 48)]
    for each in (network, replace(network, fixed_batch=7)):
        found, unit = divergences(each, points, parts)
        np.testing.assert_allclose(found, expected, rtol=0.02)
        assert unit > 0


def test_parts_of_a_step_add_up(network: LearningNetwork, base: Calibration, samples: Batch) -> None:
    """To rounding; also where the model prescribes its batch, and samples fill the last one."""
    found = []
    for part, fixed_batch in ((STEP_SAMPLES, None), (8, None), (STEP_SAMPLES, 5)):
        for layer in network.layers.values():
            for change in layer.changes.values():
                torch.nn.init.zeros_(change)
        refiner = Refiner(replace(network, fixed_batch=fixed_batch), base, [samples], 2, seed=0)
        for start in range(0, 64, part):
            refiner.add(samples.take(slice(start, start + part)), part)
        assert refiner.done
        found.append(parameters(refiner))
    start = np.concatenate([array.ravel() for site in base.sites for array in vars(site.predictor).values()])
    assert np.abs(found[0] - start).max() > 1e-3
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)


def test_a_price_rises_where_too_little_is_saved(network: LearningNetwork, base: Calibration, samples: Batch) -> None:
    refiner = Refiner(network, base, [samples], 4, seed=0)
    points = tuple(replace(point, mac_saved=point.mac_saved + 0.1) for point in refiner._before.points)
    refiner._before = replace(refiner._before, points=points)
    for _ in range(4):
        refiner.add(samples.take(slice(STEP_SAMPLES)), STEP_SAMPLES)
    prices = refiner.state_dict()["prices"]
    assert max(prices) > 15.5
    assert min(prices) >= 15.0
    assert prices.count(15.0) < len(prices)


@pytest.mark.usefixtures("any_gain")
def test_the_same_again_and_other_orders(path: Path, data: str, tmp_path: Path) -> None:
    made = [calibrate(path, data, tmp_path / "model.zapcal", epochs=1, refine_steps=3, seed=seed) for seed in (1, 1, 2)]
    weights = [np.concatenate([site.predictor.P2.ravel() for site in each.sites]) for each in made]
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.usefixtures("any_gain")
def test_the_file_has_what_is_measured_anew_and_what_outputs_are_worth(
    path: Path, data: str, base: Calibration, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int | None]] = []
    made = calibrate(
        path,
        data,
        tmp_path / "model.zapcal",
        epochs=2,
        refine_steps=3,
        progress=lambda *report: told.append(report),
    )
    assert made.settings["refine_steps"] == 3
    assert base.settings["refine_steps"] == 0
    for read, refined, before in zip(
        load_calibration(tmp_path / "model.zapcal").sites, made.sites, base.sites, strict=True
    ):
        assert not np.array_equal(refined.predictor.P1, before.predictor.P1)
        assert not np.array_equal(refined.counts, before.counts)
        assert (refined.samples, refined.outputs, refined.weight) == (before.samples, before.outputs, before.weight)
        assert refined.total_value == pytest.approx(before.total_value)
        assert read.worths is not None
        assert np.array_equal(read.worths, worths(before, base.edges))
    steps = [report for report in told if report[0] == "refining the predictors"]
    assert steps == [("refining the predictors", step, 3) for step in (1, 2, 3)]
    assert told[-1] == ("measuring the curves again", 64, 64)


@pytest.mark.parametrize(("training", "steps"), [("default", 15), ("paper", 0)])
def test_ten_passes_are_enough(path: Path, data: str, tmp_path: Path, training: str, steps: int) -> None:
    """Over 48 of 64 samples."""
    told: list[str] = []
    calibrate(
        path,
        data,
        tmp_path / "model.zapcal",
        epochs=1,
        training=training,
        progress=lambda step, *_: told.append(step),
    )
    assert told.count("refining the predictors") == steps


def test_ten_passes_over_a_script(path: Path, tmp_path: Path) -> None:
    """Whose samples, 18 of 24 to train on, are known after a pass only."""
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n\n\ndef batches():\n"
        "    yield {'input': np.random.default_rng(0).random((24, 3, 12, 12), np.float32)}\n"
    )
    told: list[str] = []
    calibrate(
        path, f"py:{script}:batches", tmp_path / "m.zapcal", epochs=1, progress=lambda step, *_: told.append(step)
    )
    assert told.count("refining the predictors") == 10 * 18 // STEP_SAMPLES


def test_more_samples_are_refined_on_in_256_steps() -> None:
    assert [_refine_steps(length) for length in (4, 1000, 1200, 10**6)] == [0, 234, 256, 256]


def test_the_papers_training_is_not_refined(path: Path, data: str, tmp_path: Path) -> None:
    output = tmp_path / "model.zapcal"
    made = calibrate(path, data, output, epochs=1, training="paper")
    assert made.settings["refine_steps"] == 0
    assert all(site.worths is None for site in made.sites)
    with pytest.raises(InvalidArgument, match="the paper's training is not refined"):
        calibrate(path, data, output, epochs=1, training="paper", refine_steps=1)
    with pytest.raises(InvalidArgument, match="refine_steps is -1"):
        calibrate(path, data, output, epochs=1, refine_steps=-1)


@pytest.mark.usefixtures("any_gain")
def test_the_command_has_the_option(invoke: Callable[..., Result], path: Path, data: str, tmp_path: Path) -> None:
    arguments = ["calibrate", path, "--data", data, "-o", tmp_path / "model.zapcal", "--epochs", 1, "--refine-steps"]
    assert invoke(*arguments, 2).exit_code == 0
    assert load_calibration(tmp_path / "model.zapcal").settings["refine_steps"] == 2
    assert invoke(*arguments, -1).exit_code == 2


def unimportable(model: onnx.ModelProto) -> None:
    """With Det, which onnx2torch does not know, in a second output."""
    model.graph.node.append(helper.make_node("Det", ["input"], ["determinant"], name="odd"))
    model.graph.output.append(helper.make_tensor_value_info("determinant", 1, ["N", 3]))


def whole_numbers(model: onnx.ModelProto) -> None:
    """With an output that has no gradient."""
    model.graph.node.append(helper.make_node("Cast", ["output"], ["whole"], to=onnx.TensorProto.INT64))
    model.graph.output[0].name = "whole"
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64


def infinite(model: onnx.ModelProto) -> None:
    """With the logarithm of 0 for an output."""
    model.graph.node.extend(
        [helper.make_node("Sub", ["output", "output"], ["zero"]), helper.make_node("Log", ["zero"], ["log"])]
    )
    model.graph.output[0].name = "log"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unimportable, r"node 'odd' \(Det\).*: cannot be imported into torch"),
        (infinite, "^the model's output has NaN or infinite values"),
        (whole_numbers, "of integers or truth values"),
    ],
)
def test_what_cannot_be_refined_stays_as_it_is(
    model: onnx.ModelProto,
    path: Path,
    data: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[onnx.ModelProto], None],
    reason: str,
) -> None:
    change(model)
    onnx.save_model(model, path)
    refined, plain = (calibrate(path, data, tmp_path / "model.zapcal", epochs=1, refine_steps=each) for each in (2, 0))
    assert f"the predictors are not refined: {refined.settings['not_refined']}" in caplog.text
    assert refined.settings["refine_steps"] == 0
    assert re.search(reason, refined.settings["not_refined"])
    for ours, theirs in zip(refined.sites, plain.sites, strict=True):
        assert np.array_equal(ours.predictor.P1, theirs.predictor.P1)
        assert ours.worths is None


def test_outputs_that_become_infinite_while_refining_are_noticed(
    network: LearningNetwork, base: Calibration, samples: Batch
) -> None:
    refiner = Refiner(network, base, [samples], 1, seed=0)
    images = samples.inputs["input"][:STEP_SAMPLES].copy()
    images[3] = np.nan
    with pytest.raises(RefiningError, match="NaN or infinite"):
        refiner.add(Batch({"input": images}, None), STEP_SAMPLES)


def test_a_pattern_that_computes_all_is_not_refined(path: Path, data: str, tmp_path: Path) -> None:
    made = calibrate(path, data, tmp_path / "model.zapcal", epochs=1, refine_steps=2, pattern="1")
    assert made.settings["not_refined"] == "the pattern leaves nothing to skip"


def test_nothing_is_gained_by_the_predictors_that_there_were(
    network: LearningNetwork, base: Calibration, samples: Batch
) -> None:
    assert Refiner(network, base, [samples], 1, seed=0).gain(base) == pytest.approx(0)


def test_predictors_that_do_not_get_better_stay_as_they_are(
    path: Path, data: str, base: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zaponnx.calib.refining._RATE", 100.0)
    made = calibrate(path, data, tmp_path / "model.zapcal", epochs=2, refine_steps=3)
    assert "nearer" in made.settings["not_refined"]
    for ours, theirs in zip(made.sites, base.sites, strict=True):
        assert np.array_equal(ours.predictor.P1, theirs.predictor.P1)
        assert np.array_equal(ours.counts, theirs.counts)
        assert ours.worths is None
