"""Goals, what data were used, and chosen points in JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zaponnx.artifacts import OperatingPoint
from zaponnx.chosen_point import ChosenPoint, Conditions, Goal, Trial, UsedData, point_json
from zaponnx.chosen_schema import read_chosen
from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.json_fields import parse_json
from zaponnx.stopwatch import PairedTimes

CHOSEN = ChosenPoint(
    goal=Goal(max_drop=0.01, min_latency=True),
    point=OperatingPoint(0.5, 0.4, 0.3, {"a": (0.25, math.inf), "b": (-math.inf, -math.inf)}),
    winograd=("b",),
    missed="nearly",
    data=UsedData("images:held", None, 100),
    conditions=Conditions("a CPU", 2, 1, 1, "1.31.1", "0.1"),
    trials=(Trial(0.0, 0.0, top1=0.9), Trial(0.4, 0.3, times=PairedTimes(2.0, 1.0, 1.0, 0.1))),
)


@pytest.mark.parametrize(
    ("goal", "problem"),
    [
        ({}, "none are given"),
        ({"epsilon": 0.1, "max_drop": 0.1}, "epsilon and max-drop are given, of which one is possible"),
        ({"latency": 8.0, "mac_saving": 0.1}, "mac-saving and latency are given"),
        ({"min_latency": True}, "min-latency needs one limit for what is lost; give an epsilon or a max-drop"),
        ({"min_latency": True, "latency": 8.0}, "min-latency needs one limit"),
        ({"min_latency": True, "epsilon": 0.1, "max_drop": 0.1}, "min-latency needs one limit"),
        ({"epsilon": -0.1}, "epsilon is -0.1"),
        ({"mac_saving": 1.5}, "the MAC saving is 1.5"),
        ({"max_drop": 1.0001}, "max-drop is 1.0001; use a share of 1"),
        ({"max_drop": math.nan}, "max-drop is nan"),
        ({"latency": 0.0}, "the latency is 0.0; use milliseconds above 0"),
        ({"latency": math.inf}, "the latency is inf"),
    ],
)
def test_goals_that_cannot_be(goal: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^fit: {problem}"):
        Goal(**goal)


def test_without_arguments_there_is_no_goal() -> None:
    assert Goal.of(None, None, None, None, min_latency=False) is None
    assert Goal.of(None, None, 0.0, None, min_latency=False) == Goal(max_drop=0.0)
    assert Goal(epsilon=0.5, min_latency=True).text == "epsilon 0.5, min-latency"


def test_data_are_known_by_their_path_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = UsedData(f"images:{tmp_path / 'pictures'}", None, 10)
    assert here.overlaps(UsedData("images:./pictures", None, 20))
    assert not here.overlaps(UsedData("images:others", None, 10))
    assert not here.overlaps(UsedData("npz:pictures", None, 10))
    assert UsedData("digits", "test", 1).overlaps(UsedData("digits", "test", 2))
    assert not UsedData("digits", "test", 1).overlaps(UsedData("digits", "calibration", 1))


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({}, None),
        ({"data": 3}, None),
        ({"data": "digits", "split": "calibration", "samples": 7}, UsedData("digits", "calibration", 7)),
        ({"data": "images:a", "split": None, "samples": "all"}, UsedData("images:a", None, None)),
    ],
)
def test_a_calibrations_settings_say_what_they_say(settings: dict[str, Any], used: UsedData | None) -> None:
    assert UsedData.by_calibration(settings) == used


def document() -> dict[str, Any]:
    return json.loads(json.dumps(CHOSEN.to_json() | point_json(CHOSEN.point), allow_nan=False))


def read(content: dict[str, Any]) -> ChosenPoint:
    return read_chosen(parse_json(json.dumps(content), "fit", "m.zapfit.json"))


def test_what_is_written_is_read() -> None:
    assert read(document()) == CHOSEN
    nothing_run = document() | {"data": None, "conditions": None, "trials": []}
    assert (read(nothing_run).data, read(nothing_run).conditions, read(nothing_run).trials) == (None, None, ())


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda found: found.pop("goal"), "'goal' is missing"),
    "unknown": (lambda found: found.update(more=1), "'more' is unknown"),
    "goal": (lambda found: found.update(goal={"epsilon": -1}), "'goal' is none"),
    "goal's type": (lambda found: found.update(goal={"epsilon": "small"}), "'goal' is none"),
    "goal's name": (lambda found: found.update(goal={"speed": 1}), "'goal' is none"),
    "winograd": (lambda found: found.update(winograd=["a"]), "'winograd' has what is no site, or one that skips"),
    "no site": (lambda found: found.update(winograd=["c"]), "'winograd' has what is no site"),
    "winograd's type": (lambda found: found.update(winograd=[1]), "'winograd' has not strings only"),
    "accuracy": (lambda found: found["trials"][0].update(top1=1.5), r"'trials\[0\].top1' is no finite number"),
    "times": (lambda found: found["trials"][1]["times"].pop("noise_ms"), r"'trials\[1\].times.noise_ms' is missing"),
    "threads": (lambda found: found["conditions"].update(threads=0), "'conditions.threads' is no integer from 1"),
    "samples": (lambda found: found["data"].update(samples=-1), "'data.samples' is no integer from 1"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_not_sound_is_refused(damage: str) -> None:
    edit, problem = DAMAGE[damage]
    found = document()
    edit(found)
    with pytest.raises(ArtifactError, match=problem):
        read(found)


def test_conditions_are_compared_by_name() -> None:
    here = Conditions.here(threads=1, batch_size=2)
    assert here.cores == len(os.sched_getaffinity(0))
    assert here.differences(here) == ""
    other = Conditions(here.cpu, here.cores, 3, 2, "0.9", here.zaponnx)
    assert other.differences(here) == f"threads 3, not 1, onnxruntime 0.9, not {here.onnxruntime}"
