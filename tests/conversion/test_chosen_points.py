"""convert and retune at the point that fit chose: what is written, recorded, and said where it is tuned."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from zaponnx.artifact_files import load_fit, save_fit
from zaponnx.chosen_point import ChosenPoint, Goal, UsedData
from zaponnx.errors import ArtifactError
from zaponnx.graph.converted import attributes, read_metadata, zap_convs
from zaponnx.models import load_model
from zaponnx.retuning import retune
from zaponnx.site_choice import Choice, redistribute
from zaponnx.stopwatch import PairedTimes
from zaponnx.tuning import Tuning

BETWEEN = {"r1": (0.75,), "r2": (-math.inf,)}


def choose(files, goal: Goal, number: int = 2, **values) -> ChosenPoint:
    """Stores a chosen point in the fit: one of its points, or one with other thresholds."""
    fit = load_fit(files.fit)
    point = replace(fit.points[number], **{name: values.pop(name) for name in ("thresholds",) if name in values})
    chosen = ChosenPoint(goal, point, **values)
    save_fit(replace(fit, chosen=chosen), files.fit)
    return chosen


def test_the_chosen_point_is_taken_and_recorded(files) -> None:
    data = UsedData("images:held", None, 20)
    chosen = choose(files, Goal(max_drop=0.01), data=data)
    report = files.convert()
    assert (report.error, report.mac_saved, report.budget_missed) == (chosen.point.error, 0.3, "")
    assert [site.thresholds for site in report.converted] == [(0.5,), (0.125,)]
    metadata = read_metadata(load_model(files.output, "test"))
    recorded = {"chosen_for": '{"max_drop": 0.01}', "chosen_data": "images:held", "chosen_samples": "20"}
    assert metadata.items() >= recorded.items()
    assert "chosen_split" not in metadata


def test_another_point_can_be_asked_for(files) -> None:
    choose(files, Goal(max_drop=0.01))
    assert files.convert(epsilon=0.5).mac_saved == 0.2
    assert not [name for name in read_metadata(load_model(files.output, "test")) if name.startswith("chosen")]


def test_a_missed_goal_is_missed_by_the_model_too(files) -> None:
    choose(files, Goal(latency=8.0), missed="the fastest model that was tried takes 9 ms")
    assert files.convert().budget_missed == "the fastest model that was tried takes 9 ms"
    assert files.convert(epsilon=1.0).budget_missed == ""


def test_sites_in_full_are_written_so_and_carried(files) -> None:
    """From any other point, retune goes back to the same bytes."""
    choose(files, Goal(latency=8.0), thresholds=BETWEEN, winograd=("r2",))
    report = files.convert()
    assert [site.in_full for site in report.converted] == [False, True]
    first, second = (attributes(node) for node in zap_convs(load_model(files.output, "test")))
    assert (first["threshold"], second["pattern"]) == ([0.75], [1])
    other, back = (files.output.with_name(f"{name}.onnx") for name in ("other", "back"))
    retune(files.output, other, epsilon=2.0)
    retune(other, back)
    assert back.read_bytes() == files.output.read_bytes()


def test_a_chosen_point_of_other_sites_is_refused(files) -> None:
    """Of as many thresholds as another calibration would have."""
    fit = load_fit(files.fit)
    point = replace(fit.points[0], thresholds={"r1": (0.0,), "r2": (0.0,)})
    wide = replace(point, thresholds={"r1": (0.0,) * 8, "r2": (0.0,) * 8})
    save_fit(replace(fit, granularity="channel", chosen=ChosenPoint(Goal(epsilon=1.0), wide)), files.fit)
    files.assert_refused(ArtifactError, "it was fitted to another calibration", epsilon=1.0)


@pytest.mark.parametrize(
    ("goal", "ms", "missed"),
    [
        (Goal(latency=8.0), 7.0, ""),
        (Goal(latency=8.0), 9.0, "a latency of 8 ms was asked for, and it takes 9.000 ms"),
        (Goal(latency=8.0), None, "a latency of 8 ms was asked for, and it stays dense"),
        (Goal(mac_saving=0.3), 7.0, "the layers that skip save "),
        (Goal(max_drop=0.01), 7.0, "nearly"),
        (Goal(min_latency=True, epsilon=1.0), 7.0, ""),
    ],
)
def test_a_tuned_model_misses_the_goal_that_it_misses(
    files, monkeypatch: pytest.MonkeyPatch, goal: Goal, ms: float | None, missed: str
) -> None:
    """Tuning begins at the chosen point, and leaves one site dense; the model still says what it was chosen for."""
    chosen = choose(files, goal, missed="nearly" if goal.max_drop else "")

    def tuned(path, dense, tensors, suiting, build, point, epsilon, hulls, objective, *_) -> tuple[Choice, Tuning]:
        assert (point, epsilon) == (chosen.point, chosen.point.epsilon)
        times = None if ms is None else PairedTimes(10.0, ms, 10.0 - ms, 0.1)
        left = redistribute(hulls, objective, epsilon, ["r2"])
        return Choice(left, frozenset(), (), times), Tuning("a CPU", 2, 1, "random", 1, 5, 60, (), times, {})

    monkeypatch.setattr("zaponnx.operating_point.tuned_point", tuned)
    report = files.convert(tune=True, data="random", threads=1)
    assert report.budget_missed.startswith(missed)
    assert bool(report.budget_missed) == bool(missed)
    assert json.loads(read_metadata(load_model(files.output, "test"))["chosen_for"]) == goal.to_json()
