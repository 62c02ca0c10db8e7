"""Several patterns: the best is kept, as if it had been calibrated alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from zaponnx import tables
from zaponnx.artifact_files import save_calibration
from zaponnx.artifacts import Calibration
from zaponnx.calib import checkpoint as checkpoints
from zaponnx.calib import finishing
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.learning import RefiningError
from zaponnx.calib.refining import NOT_FINITE, Refiner

Run = Callable[..., Calibration]


@pytest.fixture
def run(path: Path, data: str, tmp_path: Path) -> Run:
    """calibrate(path, data, ...) in two epochs with two steps of refining."""
    defaults = {"epochs": 2, "refine_steps": 2, "batch_size": 20}
    return lambda **options: calibrate(path, data, tmp_path / "model.zapcal", **{**defaults, **options})


def contents(calibration: Calibration, path: Path) -> bytes:
    """All but the settings."""
    save_calibration(Calibration(**{**vars(calibration), "settings": {}}), path)
    return path.read_bytes()


@pytest.mark.usefixtures("any_gain")
def test_the_best_is_as_if_it_were_alone(run: Run, tmp_path: Path) -> None:
    made = run(pattern="E, B,D,E")
    savings = made.settings["pattern_savings"]
    assert list(savings) == ["B", "D", "E"]
    assert 0 < savings["B"] < savings["E"]  # a network with random weights bears anything
    assert made.pattern.spec == "E"
    alone = run(pattern="E")
    assert contents(made, tmp_path / "one") == contents(alone, tmp_path / "other")
    assert made.settings == {**alone.settings, "pattern_savings": savings}
    assert f"by pattern: B {savings['B']:.2%}, D {savings['D']:.2%}, E {savings['E']:.2%}\n" in tables.calibrate(made)
    assert "by pattern" not in tables.calibrate(alone)


@pytest.mark.parametrize(
    ("savings", "best"),
    [((0.3, 0.31, 0.312), "B"), ((0.3, 0.4, 0.42), "D"), ((0.3, 0.3, 0.4), "E"), ((0.4, 0.1, 0.1), "B")],
)
def test_of_nearly_equal_ones_that_which_computes_most_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, savings: tuple[float, ...], best: str
) -> None:
    left = iter(savings)
    monkeypatch.setattr(finishing, "savings_at", lambda *_: [next(left)])
    made = run(pattern="B,D,E", refine_steps=0)
    assert made.pattern.spec == best
    assert made.settings["pattern_savings"] == dict(zip("BDE", savings, strict=True))


def test_a_pattern_that_leaves_nothing_to_skip_is_not_the_best(run: Run) -> None:
    made = run(pattern="1,D", refine_steps=0)
    assert made.pattern.spec == "D"
    assert made.settings["pattern_savings"]["1"] == 0


@pytest.mark.parametrize(
    ("steps", "what"), [(0, "the patterns are not compared"), (2, "the predictors are not refined")]
)
def test_what_cannot_be_compared_gets_the_pattern_that_computes_most(
    run: Run, model: onnx.ModelProto, path: Path, caplog: pytest.LogCaptureFixture, steps: int, what: str
) -> None:
    model.graph.node.append(onnx.helper.make_node("Det", ["input"], ["determinant"], name="odd"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("determinant", 1, ["N", 3]))
    onnx.save_model(model, path)
    made = run(pattern="D,B", refine_steps=steps)
    assert made.pattern.spec == "B"
    assert made.settings["pattern_savings"] == {"B": 0, "D": 0}
    assert f"{what}: " in caplog.text


def test_unrefined_predictors_are_compared_as_they_are(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as those that refining gave, and which were not taken."""
    monkeypatch.setattr("zaponnx.calib.refining._RATE", 100.0)
    made, plain = run(pattern="B,D"), run(pattern="B,D", refine_steps=0)
    assert "nearer" in made.settings["not_refined"]
    assert made.settings["pattern_savings"] == plain.settings["pattern_savings"]


class Interrupt:
    """A progress that interrupts when a step has been reported so often."""

    def __init__(self, step: str, times: int) -> None:
        self.step, self.left = step, times

    def __call__(self, step: str, done: int, total: int | None) -> None:
        self.left -= step == self.step
        if not self.left:
            raise KeyboardInterrupt


def goes_on(run: Run, interrupt: Interrupt, tmp_path: Path, **options: Any) -> bool:
    """Whether the result of an interrupted calibration is that of an uninterrupted one."""
    whole = run(**options)
    with pytest.raises(KeyboardInterrupt):
        run(**options, progress=interrupt)
    resumed = run(**options)
    assert resumed.settings == whole.settings
    return contents(resumed, tmp_path / "one") == contents(whole, tmp_path / "other")


@pytest.mark.usefixtures("any_gain")
@pytest.mark.parametrize(
    "interrupt",
    [
        ("training the predictors, epoch 2/2", 2),
        ("refining the predictors, pattern B", 2),
        ("measuring the curves again", 2),
        ("refining the predictors, pattern D", 1),
        ("refining the predictors, pattern E", 2),
        ("measuring what the pattern saves, pattern E", 1),
    ],
)
def test_an_interrupted_one_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, interrupt: Any
) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)
    assert goes_on(run, Interrupt(*interrupt), tmp_path, pattern="B,D,E")
    assert "going on from" in caplog.text


@pytest.mark.usefixtures("any_gain")
def test_a_pattern_that_was_not_refined_is_not_after_an_interrupt_either(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    step = Refiner.step

    def step_until_nan(self: Refiner) -> None:
        if self.taken == 1 and next(iter(self._network.layers.values())).attributes["pattern"] == [1, 0, 0, 1]:
            raise RefiningError(NOT_FINITE)
        step(self)

    monkeypatch.setattr(Refiner, "step", step_until_nan)
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)
    with caplog.at_level(logging.WARNING):
        assert goes_on(run, Interrupt("refining the predictors, pattern D", 2), tmp_path, pattern="B,D")
    assert caplog.text.count(f"the predictors are not refined: {NOT_FINITE}") == 3


def test_settings_are_of_the_patterns(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(pattern="B,D", progress=Interrupt("training the predictors, epoch 2/2", 1))
    run(pattern="B")
    assert "is of another pattern: starting anew" in caplog.text
