"""Several patterns: the best is kept, as if it had been calibrated alone."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from zaponnx import tables
from zaponnx.artifact_files import save_calibration
from zaponnx.artifacts import Calibration
from zaponnx.calib import calibration, finishing, refining_points
from zaponnx.calib import checkpoint as checkpoints
from zaponnx.calib.calibration import calibrate
from zaponnx.calib.learning import RefiningError
from zaponnx.calib.refining import Refiner

Run = Callable[..., Calibration]


@pytest.fixture
def run(path: Path, data: str, tmp_path: Path) -> Run:
    """calibrate(path, data, ...) in two epochs with two steps of refining."""
    defaults = {"epochs": 2, "refine_steps": 2, "batch_size": 20}
    return lambda **options: calibrate(path, data, tmp_path / "model.zapcal", **{**defaults, **options})


def contents(made: Calibration, path: Path) -> bytes:
    """All but the settings."""
    save_calibration(replace(made, settings={}), path)
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
    shown = ", ".join(f"{spec} {saving:.2%}" for spec, saving in savings.items())
    assert f"of its accuracy: {shown}\n" in tables.calibrate(made)
    assert "of its accuracy" not in tables.calibrate(alone)


@pytest.mark.parametrize(
    ("savings", "best"),
    [((0.3, 0.31, 0.312), "B"), ((0.3, 0.4, 0.42), "D"), ((0.3, 0.3, 0.4), "E"), ((0.4, 0.1, 0.1), "B")],
)
def test_of_nearly_equal_ones_that_which_computes_most_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, savings: tuple[float, ...], best: str
) -> None:
    left = iter(savings)
    monkeypatch.setattr(finishing, "savings_at", lambda *_, **__: [next(left)])
    made = run(pattern="B,D,E", refine_steps=0)
    assert made.pattern.spec == best
    assert made.settings["pattern_savings"] == dict(zip("BDE", savings, strict=True))


def test_a_pattern_is_worth_nothing_where_the_network_does_not_bear_a_twelfth_of_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the one that leaves most would be the best."""
    found = iter([np.linspace(0.02, 1, 12), np.linspace(0.03, 1, 12), np.linspace(0.03, 1, 12)])
    monkeypatch.setattr(refining_points, "divergences", lambda *_: (next(found), 1.0))
    made = run(pattern="B,D,E", refine_steps=0)
    assert made.pattern.spec == "B"
    savings = made.settings["pattern_savings"]
    assert savings["B"] > 0.04
    assert (savings["D"], savings["E"]) == (0, 0)


@pytest.mark.parametrize(("steps", "what"), [(0, "what it saves is not known"), (2, "the predictors are not refined")])
def test_what_cannot_be_compared_gets_the_pattern_that_computes_most(
    run: Run, model: onnx.ModelProto, path: Path, caplog: pytest.LogCaptureFixture, steps: int, what: str
) -> None:
    model.graph.node.append(onnx.helper.make_node("Det", ["input"], ["determinant"], name="odd"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("determinant", 1, ["N", 3]))
    onnx.save_model(model, path)
    made = run(pattern="D,B", refine_steps=steps)
    assert made.pattern.spec == "B"
    assert "pattern_savings" not in made.settings
    assert re.search(rf"pattern D: {what}: .*node 'odd' \(Det\)", caplog.text)
    assert "the patterns are not compared: B is kept, which computes most; give --pattern the one" in caplog.text


def test_a_pattern_with_infinite_outputs_is_not_the_best(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """B's are, when patterns are compared."""
    original = finishing.savings_at

    def infinite_once(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(finishing, "savings_at", original)
        raise RefiningError("the network's output has NaN or infinite values")

    monkeypatch.setattr(finishing, "savings_at", infinite_once)
    made = run(pattern="B,D", refine_steps=0)
    assert list(made.settings["pattern_savings"]) == ["D"]
    assert made.pattern.spec == "D"
    assert "pattern B: what it saves is not known: the network's output has NaN" in caplog.text


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
        ("measuring the curves again, pattern B", 2),
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


@pytest.mark.parametrize(
    "reason", ["it would not bring held-out", "the predictors become infinite", "the network's output has NaN"]
)
def test_a_pattern_that_was_not_refined_is_not_after_an_interrupt_either(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    """B, interrupted while D is refined."""
    step = Refiner.step

    def spoil(self: Refiner) -> None:
        of_b = next(iter(self._network.layers.values())).attributes["pattern"] == [1, 0, 0, 1]
        if of_b and "NaN" in reason:
            self._gradient.fill_(math.nan)
        step(self)
        if of_b and "infinite" in reason and self.done:
            self._parameters[0].data.fill_(math.inf)

    monkeypatch.setattr(Refiner, "step", spoil)
    monkeypatch.setattr("zaponnx.calib.refining._RATE", 100.0)
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(calibration, "_NEARLY", 0.0)  # so that B is kept, and compared
    with caplog.at_level(logging.WARNING):
        assert goes_on(run, Interrupt("refining the predictors, pattern D", 2), tmp_path, pattern="B,D")
    assert caplog.text.count(f"pattern B: the predictors are not refined: {reason}") == 2  # not when it goes on


def test_settings_are_of_the_patterns(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "_SECONDS_BETWEEN", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(pattern="B,D", progress=Interrupt("training the predictors, epoch 2/2", 1))
    run(pattern="B")
    assert "is of another pattern: starting anew" in caplog.text
