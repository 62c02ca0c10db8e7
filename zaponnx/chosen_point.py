"""The operating point that a fit has chosen: what was asked for, what was tried, and on which data.

A fit has it in its file, and a converted model carries it; `zaponnx.chosen_schema` reads it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from zaponnx.artifacts import OperatingPoint
from zaponnx.budget import Budget
from zaponnx.errors import InvalidArgument, on_behalf_of
from zaponnx.json_fields import json_thresholds
from zaponnx.machine import cpu_cores, cpu_name, versions

if TYPE_CHECKING:
    from zaponnx.stopwatch import PairedTimes


@dataclass(frozen=True)
class Goal:
    """What an operating point is chosen for: one of the first four, or `min_latency` with a limit for what is lost.

    Attributes:
        epsilon, mac_saving: As in `zaponnx.budget.Budget`.
        max_drop: The limit for the top-1 that is lost, 0 to 1.
        latency: The limit for the model's time, in milliseconds.
        min_latency: The least time is sought that `epsilon` or `max_drop` allows.

    Raises:
        InvalidArgument: They do not go together, or one is out of range.
    """

    epsilon: float | None = None
    mac_saving: float | None = None
    max_drop: float | None = None
    latency: float | None = None
    min_latency: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("epsilon", "mac_saving", "max_drop", "latency") if getattr(self, name) is not None]
        if self.min_latency and given not in (["epsilon"], ["max_drop"]):
            remedy = "give an epsilon or a max-drop with it, and no other"
            raise InvalidArgument("fit", "min-latency needs one limit for what is lost", remedy=remedy)
        if len(given) != 1:
            names = " and ".join(name.replace("_", "-") for name in given)
            raise InvalidArgument("fit", f"{names or 'none'} are given, of which one is possible", remedy="give one")
        if given[0] in ("epsilon", "mac_saving"):
            with on_behalf_of("fit"):
                Budget(self.epsilon, self.mac_saving)
        if self.max_drop is not None and not 0 <= self.max_drop <= 1:
            raise InvalidArgument("fit", f"max-drop is {self.max_drop}", remedy="use a share of 1, as 0.01 for a point")
        if self.latency is not None and not 0 < self.latency < math.inf:
            raise InvalidArgument("fit", f"the latency is {self.latency}", remedy="use milliseconds above 0")

    @classmethod
    def of(
        cls,
        epsilon: float | None,
        mac_saving: float | None,
        max_drop: float | None,
        latency: float | None,
        min_latency: bool,
    ) -> Goal | None:
        """The goal that the arguments of `fit` give; None if they give none.

        Raises:
            InvalidArgument: They do not go together, or one is out of range.
        """
        limits = (epsilon, mac_saving, max_drop, latency)
        return None if limits == (None,) * 4 and not min_latency else cls(*limits, min_latency)

    @property
    def by_time(self) -> bool:
        """Whether it is about time."""
        return self.latency is not None or self.min_latency

    @property
    def text(self) -> str:
        """As in "max-drop 0.01, min-latency"."""
        parts = [
            name.replace("_", "-") + ("" if value is True else f" {value:g}") for name, value in self.to_json().items()
        ]
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """What is given of it."""
        return {name: value for name, value in asdict(self).items() if value is not None and value is not False}


@dataclass(frozen=True)
class UsedData:
    """Data that something was done with.

    Attributes:
        data: Their SPEC.
        split: Their split; None where the SPEC has none.
        samples: How many samples that was; None if it was not recorded.
    """

    data: str
    split: str | None
    samples: int | None

    @classmethod
    def by_calibration(cls, settings: Mapping[str, Any]) -> UsedData | None:
        """Those that a calibration's settings name; None if they do not."""
        data, split, samples = (settings.get(name) for name in ("data", "split", "samples"))
        if not isinstance(data, str):
            return None
        known = isinstance(samples, int) and samples > 0
        return cls(data, split if isinstance(split, str) else None, samples if known else None)

    def overlaps(self, other: UsedData) -> bool:
        """Whether both are of the same SPEC, its path resolved, and the same split: any samples may then be in both."""
        return (_resolved(self.data), self.split) == (_resolved(other.data), other.split)

    @property
    def text(self) -> str:
        """The SPEC and the split."""
        return f"{self.data} ({self.split})" if self.split else self.data


def _resolved(spec: str) -> str:
    kind, colon, path = spec.partition(":")
    return f"{kind}:{os.path.realpath(path)}" if colon else kind


@dataclass(frozen=True)
class Conditions:
    """What times depend on, besides the model.

    Attributes:
        cpu: The machine's processor.
        cores: So many it has.
        threads: ORT's threads within an operator.
        batch_size: Samples per run.
        onnxruntime: The version of ONNX Runtime.
        zaponnx: Its own version.
        device: What ran the models in place of the CPU, its name and provider; "", and optional in a file, if nothing
            did.
    """

    cpu: str
    cores: int
    threads: int
    batch_size: int
    onnxruntime: str
    zaponnx: str
    device: str = ""

    @classmethod
    def here(cls, threads: int, batch_size: int, device: str = "") -> Conditions:
        """Those of this machine."""
        found = versions()
        runtime = found.get("onnxruntime") or found.get("onnxruntime-gpu", "")
        return cls(cpu_name(), cpu_cores(), threads, batch_size, runtime, found["zaponnx"], device)

    def differences(self, other: Conditions) -> str:
        """As in "threads 1, not 2", "" if there is none."""
        ours, theirs = asdict(self), asdict(other)
        shown = [(name, ours[name] or "none", theirs[name] or "none") for name in ours if ours[name] != theirs[name]]
        return ", ".join(f"{name} {our}, not {their}" for name, our, their in shown)


@dataclass(frozen=True)
class Trial:
    """A model that was run to choose.

    Attributes:
        error, mac_saved: Its operating point's; 0 for the dense model.
        top1: Its accuracy, 0 to 1; None where it was timed.
        times: Its time and the dense model's; None where it was evaluated.
    """

    error: float
    mac_saved: float
    top1: float | None = None
    times: PairedTimes | None = None


@dataclass(frozen=True)
class ChosenPoint:
    """The operating point that `convert` takes unless told another.

    Attributes:
        goal: What was asked for: one of `epsilon`, `mac_saving`, `max_drop` and `latency` (milliseconds), or `epsilon`
            or `max_drop` with `min_latency`, true.
        point: The operating point; with a goal of time, thresholds of −∞ for each site that does not skip.
        winograd: The outputs of the sites that are computed in full, by Winograd's; only with a goal of time.
        missed: Why the goal is missed, "" if it is met.
        data: What models were run on; None if none was.
        conditions: What they were timed under; None if none was.
        trials: The models that were run, in their order.
    """

    goal: Goal
    point: OperatingPoint
    winograd: tuple[str, ...] = ()
    missed: str = ""
    data: UsedData | None = None
    conditions: Conditions | None = None
    trials: tuple[Trial, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All but the thresholds."""
        return {
            **{name: getattr(self.point, name) for name in ("epsilon", "error", "mac_saved")},
            "goal": self.goal.to_json(),
            "winograd": list(self.winograd),
            "missed": self.missed,
            "data": None if self.data is None else asdict(self.data),
            "conditions": None if self.conditions is None else asdict(self.conditions),
            "trials": [asdict(trial) for trial in self.trials],
        }


def point_json(point: OperatingPoint) -> dict[str, Any]:
    """An operating point as JSON has it."""
    thresholds = {output: json_thresholds(values) for output, values in point.thresholds.items()}
    return {**{name: getattr(point, name) for name in ("epsilon", "error", "mac_saved")}, "thresholds": thresholds}
