"""What a report says, as numbers: the dataclasses that its page, its Markdown and its JSON are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zaponnx.calib.report.headline import Headline
from zaponnx.json_fields import json_thresholds


@dataclass(frozen=True)
class Missing:
    """Something that the report could show.

    Attributes:
        part: The part that lacks it.
        what: What it is, a clause.
        command: The command that gives it.
    """

    part: str
    what: str
    command: str


@dataclass(frozen=True)
class Point:
    """An operating point of the fit, as measured in calibration.

    Attributes:
        epsilon, error, mac_saved: As in `zaponnx.artifacts.OperatingPoint`.
        layer_error, layer_saved: Of each calibrated layer, the share of its outputs' sum that is lost, and the share of
            its MACs that is saved; empty where that is not known.
    """

    epsilon: float
    error: float
    mac_saved: float
    layer_error: tuple[float, ...] = ()
    layer_saved: tuple[float, ...] = ()


@dataclass(frozen=True)
class Evaluated:
    """A model that was evaluated: a point of the frontier.

    Attributes:
        model: Its file.
        data: What it was evaluated on, with the split.
        mac_saved: Share of the calibrated layers' MACs that it saved there.
        top1: Its accuracy, 0 to 1.
        this: Whether it is the report's model.
    """

    model: str
    data: str
    mac_saved: float
    top1: float
    this: bool


@dataclass(frozen=True)
class Frontier:
    """The operating points that there are, and where the model is.

    Attributes:
        method, granularity, objective: The fit's.
        layers: The calibrated layers' names, in the order of the points' tuples.
        points: The fit's.
        chosen: The model's own; its epsilon is None if nothing records it.
        evaluated: Models that were evaluated, the dense one among them.
    """

    method: str
    granularity: str
    objective: str
    layers: tuple[str, ...]
    points: tuple[Point, ...]
    chosen: Point
    evaluated: tuple[Evaluated, ...]


@dataclass(frozen=True)
class LayerTimes:
    """A layer's measured times, as tuning has them: its nodes and the conversions of layout beside them."""

    dense_ms: float
    now_ms: float
    noise_ms: float


FORMS = {
    "skips": "predicts which of its outputs are zero, and computes the others",
    "in full": "computes all its outputs, by Winograd's minimal filtering: fewer multiplications for the same numbers",
    "dense": "is as in the original model",
}
"""What a layer can have become, and what that means."""


@dataclass(frozen=True)
class Layer:
    """A convolution.

    Attributes:
        name: The node's name, or its output's if it has none.
        form: One of FORMS.
        reason: Why a dense one is.
        macs: Dense MACs per sample; None where unknown.
        predictor_macs: What its predictor costs; 0 without one, None where unknown.
        pattern: The share of its outputs that the pattern has; None for a dense one.
        thresholds: One or one per channel.
        expected_saved, expected_error: Shares by calibration; None where unknown.
        saved, net_saved: Shares as measured by eval, gross and net of the predictor; None without.
        times: Measured by tuning; None without.
        zeros, area: As in `zaponnx.calib.analysis.SiteAnalysis`; None without the calibration file.
    """

    name: str
    form: str
    reason: str
    macs: float | None
    predictor_macs: float | None
    pattern: float | None
    thresholds: tuple[float, ...]
    expected_saved: float | None = None
    expected_error: float | None = None
    saved: float | None = None
    net_saved: float | None = None
    times: LayerTimes | None = None
    zeros: float | None = None
    area: float | None = None

    @property
    def skipped(self) -> float | None:
        """The share of its MACs that is skipped: as measured, else as expected; None where unknown."""
        return self.expected_saved if self.saved is None else self.saved


@dataclass(frozen=True)
class LayerCurves:
    """A layer's error and MACs as functions of one threshold for all of its channels, at T thresholds.

    Attributes:
        name: The layer's.
        error, macs: As measured, shares.
        fitted_error, fitted_macs: The sigmoids; empty where none fits.
        coefficients: By curve, a, b, c, d of d + a / (1 + exp(−b·x + c)); for shares.
        reason: Why no sigmoid fits, or "".
    """

    name: str
    error: tuple[float, ...]
    macs: tuple[float, ...]
    fitted_error: tuple[float, ...]
    fitted_macs: tuple[float, ...]
    coefficients: Mapping[str, tuple[float, ...]]
    reason: str


@dataclass(frozen=True)
class Curves:
    """The layers' curves at the same thresholds."""

    thresholds: tuple[float, ...]
    layers: tuple[LayerCurves, ...]


@dataclass(frozen=True)
class Hits:
    """A layer's outputs on one sample, counts over all channels.

    Attributes:
        layer: The layer's name.
        pattern: In the pattern, and computed.
        computed: Predicted not to be zero, and computed.
        skipped: Predicted zero, not computed, and zero in the dense model.
        wrong: Predicted zero, not computed, and not zero in the dense model.
        lost: The share of the sum of the dense model's outputs that those have.
    """

    layer: str
    pattern: int
    computed: int
    skipped: int
    wrong: int
    lost: float


@dataclass(frozen=True)
class Sample:
    """Where prediction hits and misses on one sample of the data.

    Attributes:
        number: Its place in the data, from 0.
        layers: The layers that skip.
    """

    number: int
    layers: tuple[Hits, ...]


@dataclass(frozen=True)
class Report:
    """What `report` wrote.

    Attributes:
        model, model_sha256, output: The model that it is about, with its hash, and the file that it wrote.
        headline, frontier, layers, curves, samples: Its parts; `frontier`, `curves` and `samples` may lack.
        facts: How it was made: for each step what is known of it.
        commands: The commands that made the files, as far as these record it.
        missing: What would be in it if it were given.
    """

    model: Path
    model_sha256: str
    output: Path
    headline: Headline
    frontier: Frontier | None
    layers: tuple[Layer, ...]
    curves: Curves | None
    samples: tuple[Sample, ...]
    facts: Mapping[str, Mapping[str, str]]
    commands: tuple[str, ...]
    missing: tuple[Missing, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it: paths as strings, infinite thresholds as "-inf" and "inf"."""
        result = asdict(self) | {"model": str(self.model), "output": str(self.output)}
        result["headline"]["sentence"] = self.headline.sentence
        for layer in result["layers"]:
            layer["thresholds"] = json_thresholds(layer["thresholds"])
        return result
