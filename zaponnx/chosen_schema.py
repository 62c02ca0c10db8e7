"""The schema of a chosen operating point: reads it from JSON, refuses what is not sound. `docs/artifacts.md` has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from zaponnx.artifacts import OperatingPoint
from zaponnx.chosen_point import ChosenPoint, Conditions, Goal, Trial, UsedData
from zaponnx.errors import InvalidArgument
from zaponnx.json_fields import Fields
from zaponnx.stopwatch import PairedTimes


def read_point(read: Fields) -> OperatingPoint:
    """Takes an operating point's members.

    Raises:
        ArtifactError: They are not sound.
    """
    thresholds = read.object("thresholds")
    return OperatingPoint(
        epsilon=read.number("epsilon", low=0),
        error=read.number("error", low=0),
        mac_saved=read.number("mac_saved", low=0, high=1),
        thresholds={output: thresholds.thresholds(output) for output in thresholds.names()},
    )


def read_used_data(read: Fields) -> UsedData:
    """Builds what says which data were used from an object, all of which is taken.

    Raises:
        ArtifactError: It is not sound.
    """
    split = None if read.absent("split") else read.text("split")
    samples = None if read.absent("samples") else read.integer("samples")
    used = UsedData(read.text("data"), split, samples)
    read.done()
    return used


def read_chosen(read: Fields) -> ChosenPoint:
    """Builds a chosen point from `point_json` and `to_json`, all of which is taken.

    Raises:
        ArtifactError: It is not sound.
    """
    chosen = ChosenPoint(
        goal=_goal(read, read.object("goal").rest()),
        point=read_point(read),
        winograd=tuple(read.texts("winograd")),
        missed=read.text("missed"),
        data=None if read.absent("data") else read_used_data(read.object("data")),
        conditions=None if read.absent("conditions") else read_conditions(read.object("conditions")),
        trials=tuple(map(read_trial, read.objects("trials"))),
    )
    read.done()
    if not set(chosen.winograd) <= {output for output in chosen.point.thresholds if not chosen.point.skips(output)}:
        read.refuse("winograd", "has what is no site, or one that skips")
    return chosen


def read_conditions(read: Fields) -> Conditions:
    """Builds conditions from an object, all of which is taken.

    Raises:
        ArtifactError: They are not sound.
    """
    texts = ("cpu", "onnxruntime", "zaponnx", "device")
    given = read.names()
    values: dict[str, Any] = {
        field.name: read.text(field.name) if field.name in texts else read.integer(field.name)
        for field in fields(Conditions)
        if field.name in given or field.name != "device"
    }
    read.done()
    return Conditions(**values)


def _goal(read: Fields, values: Mapping[str, Any]) -> Goal:
    try:
        return Goal(**values)
    except (InvalidArgument, TypeError) as error:
        read.refuse("goal", f"is none: {error}")


def read_trial(read: Fields) -> Trial:
    """Builds a trial from an object, all of which is taken.

    Raises:
        ArtifactError: It is not sound.
    """
    numbers = {"error": read.number("error", low=0), "mac_saved": read.number("mac_saved", low=0, high=1)}
    top1 = None if read.absent("top1") else read.number("top1", low=0, high=1)
    times = None if read.absent("times") else _times(read.object("times"))
    read.done()
    return Trial(**numbers, top1=top1, times=times)


def _times(read: Fields) -> PairedTimes:
    times = PairedTimes(**{field.name: read.number(field.name) for field in fields(PairedTimes)})
    read.done()
    return times
