"""The published operating points as presets: reads a name such as paper:resnet18-D, gives what was published of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zaponnx.errors import InvalidArgument

_FILE = Path(__file__).with_name("points.json")
_PREFIX = "paper:"


@dataclass(frozen=True)
class PaperPoint:
    """An operating point of a network on ImageNet.

    Attributes:
        network: torchvision's name of it.
        pattern: The computation pattern.
        epsilon: The budget for the sum of the layers' errors.
        mac_saved_percent: The share of the predicted layers' MACs that is saved.
        top1_drop, top5_drop: What it costs, in percentage points.
        top1_drop_finetuned, top5_drop_finetuned: The same after fine-tuning.
        lr, weight_decay, batch_size: Of the fine-tuning, which takes one epoch.
    """

    network: str
    pattern: str
    epsilon: float
    mac_saved_percent: float
    top1_drop: float
    top1_drop_finetuned: float
    top5_drop: float
    top5_drop_finetuned: float
    lr: float
    weight_decay: float
    batch_size: int

    @property
    def name(self) -> str:
        """The preset's full name, as in "paper:resnet18-D-1.8"; without epsilon it does where no other has it."""
        return f"{_PREFIX}{self.network}-{self.pattern}-{self.epsilon:g}"


@cache
def paper_points() -> tuple[PaperPoint, ...]:
    """The eight points, in the order in which they were published."""
    return tuple(PaperPoint(**entry) for entry in json.loads(_FILE.read_text(encoding="utf-8"))["points"])


def paper_point(preset: str) -> PaperPoint:
    """The point that a preset names: "paper:vgg16-B-0.17", or "paper:resnet18-D", where there is one only.

    Raises:
        InvalidArgument: No point, or more than one, has this name.
    """
    found = [point for point in paper_points() if preset in (point.name, point.name.rpartition("-")[0])]
    if len(found) != 1:
        names = ", ".join(point.name for point in found or paper_points())
        problem = f"preset '{preset}' is {len(found)} operating points" if found else f"unknown preset '{preset}'"
        raise InvalidArgument("preset", problem, remedy=f"use one of {names}")
    return found[0]
