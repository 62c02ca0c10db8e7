"""What is compared: the plain method of the paper, the default, steps between them, and ways to fine-tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Finetuning = Literal["published", "default"]
"""How weights are fine-tuned at every point: as the paper does, or as `zaponnx finetune` does."""


@dataclass(frozen=True)
class Method:
    """How predictors are trained and thresholds chosen.

    Attributes:
        title: What it is, for people.
        calibration: Keywords of `zaponnx.calibrate`.
        fit: Keywords of `zaponnx.fit`.
        published: Keywords of `zaponnx.finetune` for what was published with it for ResNet-18.
    """

    title: str
    calibration: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)


def _paper(title: str, pattern: str, **fit: Any) -> Method:
    calibration = {"training": "paper", "pattern": pattern}
    return Method(f"{title}, pattern {pattern}", calibration, fit, {"preset": f"paper:resnet18-{pattern}"})


PLAIN = ("plain-B", "plain-D")
"""The paper's method, with its two patterns for ResNet-18; a network's better one is what others are compared with."""

DEFAULT = "default"

METHODS = {
    "plain-B": _paper("paper's", "B", method="sigmoid"),
    "plain-D": _paper("paper's", "D", method="sigmoid"),
    "layer": _paper("paper's training, exact sum, per layer", "D", granularity="layer", objective="sum"),
    "channel": _paper("paper's training, exact sum, per channel", "D", objective="sum"),
    "output": _paper("paper's training, thresholds as by default", "D"),
    "isolated": Method("default without refining, pattern D", {"refine_steps": 0}),
    **{f"default-{pattern}": Method(f"default, pattern {pattern}", {"pattern": pattern}) for pattern in "BE"},
    "chosen": Method("default, but the best of patterns B, D and E", {"pattern": "B,D,E"}),
    DEFAULT: Method("default, pattern D"),
}
