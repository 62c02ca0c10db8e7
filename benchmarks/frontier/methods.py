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
        training: What `zaponnx.calibrate` trains the predictors by.
        fit: Keywords of `zaponnx.fit`.
    """

    title: str
    training: str
    fit: Mapping[str, Any] = field(default_factory=dict)


PLAIN, DEFAULT = "plain", "default"

METHODS = {
    PLAIN: Method("paper's training, sigmoids", "paper", {"method": "sigmoid"}),
    "layer": Method("paper's training, exact sum, per layer", "paper", {"granularity": "layer", "objective": "sum"}),
    "channel": Method("paper's training, exact sum, per channel", "paper", {"objective": "sum"}),
    "output": Method("paper's training, thresholds as by default", "paper"),
    "training": Method("default training, sigmoids", "default", {"method": "sigmoid"}),
    DEFAULT: Method("default", "default"),
}
