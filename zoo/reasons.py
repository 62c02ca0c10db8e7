"""Why Convs stay dense: the classes of reasons, each with what is behind it. A reason of no class is a defect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ReasonClass:
    """Reasons that have one cause.

    Attributes:
        name: Of the class.
        pattern: A regular expression for the reasons, without the names of nodes.
        explanation: Why such a Conv cannot be a site, or had better not.
    """

    name: str
    pattern: str
    explanation: str


CLASSES: Sequence[ReasonClass] = (
    ReasonClass(
        "first",
        "it is the first convolution of the network",
        "The method predicts no layer that reads the image itself; `calibrate --include-first` takes it.",
    ),
    ReasonClass(
        "cheap",
        r"its \d+ MACs per output are too few to win back the predictor's \d+",
        "Depthwise 3×3 convolutions, and 1×1 ones of few channels: the predictor would cost about as much as it saves.",
    ),
    ReasonClass(
        "depthwise",
        r"it is depthwise \(one input channel in each group\), which is faster dense",
        "Larger depthwise convolutions: the library has no fast kernel for them.",
    ),
    ReasonClass(
        "residual",
        "it is the residual of, which has more MACs",
        "Two convolutions are added before one ReLU: the larger one is the site, the other one its residual.",
    ),
    ReasonClass(
        "no ReLU",
        r"(its output|the output of \w+) goes to (\w+, which is no|several nodes, and none of them is a) ReLU",
        "The network has another activation there (SiLU, hard swish, sigmoid), or none, as at the ends of linear "
        "bottlenecks and in dense blocks: what is not zero cannot be skipped.",
    ),
    ReasonClass(
        "before the ReLU",
        r"(its output|the output of \w+) is needed before its ReLU too, by \w+",
        "The network needs the value without its ReLU as well.",
    ),
    ReasonClass(
        "output",
        r"(its output|the output of \w+) is an output of the model",
        "A classifier's last layer: no ReLU follows.",
    ),
)


def without_names(reason: str) -> str:
    """A reason without the names of nodes, and without how many they are."""
    return re.sub(r"\d+ nodes", "several nodes", re.sub(" '[^']*'", "", reason))


def reason_class(reason: str) -> ReasonClass | None:
    """The class of a reason without names, None if it has none."""
    return next((each for each in CLASSES if re.fullmatch(each.pattern, reason)), None)
