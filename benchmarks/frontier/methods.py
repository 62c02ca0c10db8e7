"""What is compared: the plain method of the paper, the default, and steps between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Method:
    """How predictors are trained and thresholds chosen.

    Attributes:
        title: What it is, for people.
        calibration: Keywords of `zaponnx.calibrate`.
        fit: Keywords of `zaponnx.fit`.
    """

    title: str
    calibration: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)


def _paper(title: str, pattern: str, **fit: Any) -> Method:
    return Method(f"{title}, pattern {pattern}", {"training": "paper", "pattern": pattern}, fit)


PLAIN = ("plain-B", "plain-D")
"""The paper's method, with its two patterns for ResNet-18; a network's better one is what others are compared with."""

DEFAULT = "default"

METHODS = {
    "plain-B": _paper("paper's", "B", method="sigmoid"),
    "plain-D": _paper("paper's", "D", method="sigmoid"),
    "layer": _paper("paper's training, exact sum, per layer", "D", granularity="layer", objective="sum"),
    "channel": _paper("paper's training, exact sum, per channel", "D", objective="sum"),
    "output": _paper("paper's training, thresholds as by default", "D"),
    "default-B": Method("default, but pattern B", {"pattern": "B"}),
    "isolated": Method("default without refining, pattern D", {"refine_steps": 0}),
    DEFAULT: Method("default, pattern D"),
}
