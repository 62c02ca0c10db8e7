"""Refined predictors: what they gain, and by what steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result

from tests.calib.refining.converted import moved
from zaponnx.artifact_files import load_calibration
from zaponnx.artifacts import Calibration
from zaponnx.calib.calibration import _refine_steps, calibrate
from zaponnx.calib.data import Batch
from zaponnx.calib.data.digits import digit_images, upsampled
from zaponnx.calib.learning import LearningNetwork, RefiningError
from zaponnx.calib.refining import STEP_SAMPLES, Refiner
from zaponnx.calib.worths import worths
from zaponnx.errors import InvalidArgument


def parameters(refiner: Refiner) -> np.ndarray:
    return np.concatenate([array.ravel() for each in refiner.predictors() for array in vars(each).values()])


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


def test_outputs_that_become_infinite_while_refining_are_noticed(
    network: LearningNetwork, base: Calibration, samples: Batch
) -> None:
    refiner = Refiner(network, base, [samples], 1, seed=0)
    images = samples.inputs["input"][:STEP_SAMPLES].copy()
    images[3] = np.nan
    with pytest.raises(RefiningError, match="NaN or infinite"):
        refiner.add(Batch({"input": images}, None), STEP_SAMPLES)


def test_nothing_is_gained_by_the_predictors_that_there_were(
    network: LearningNetwork, base: Calibration, samples: Batch
) -> None:
    assert Refiner(network, base, [samples], 1, seed=0).gain(base) == pytest.approx(0)


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
