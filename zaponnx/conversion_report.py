"""What `convert` and `retune` report: the operating point, the sites on either side, and how it was checked."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zaponnx.graph.layouts import Layouts
from zaponnx.graph.site import Refusal
from zaponnx.json_fields import json_thresholds
from zaponnx.tuning import Tuning
from zaponnx.verification import Verification


@dataclass(frozen=True)
class ConvertedSite:
    """A site that became a ZapConv.

    Attributes:
        name: The node's name, or its output's if it has none.
        output: The tensor that it writes.
        thresholds: Its threshold, or one per channel; −∞ if tuning found that computing all of its outputs, by
            Winograd's, is fastest.
        macs: Dense multiply-accumulates per sample.
    """

    name: str
    output: str
    thresholds: tuple[float, ...]
    macs: float

    @property
    def in_full(self) -> bool:
        """Whether it computes all of its outputs."""
        return max(self.thresholds) == -math.inf


@dataclass(frozen=True)
class ConversionReport:
    """What was done.

    Attributes:
        model, output: The model read and the model written.
        pattern: The pattern's name or tile.
        epsilon, error, mac_saved: The operating point that was written, as measured in calibration. The saving is a
            share of all calibrated sites' MACs, those that stay dense included; `eval` gives that of the ZapConvs.
        budget_missed: Why the budget that was asked for could not be met, "" if it was.
        upgraded: What had to be upgraded, as in "opset 9 to 13", "" if nothing.
        stale: The tensors whose value infos were dropped, since they contradicted what ONNX infers.
        converted: The sites that became ZapConvs, in the model's order.
        dense: The Convs that stay dense, and why.
        layouts: How many ZapConvs are in NHWC, and how many Transposes that took.
        tuning: What was measured to choose them; None without `tune`.
        verification: How the written model was checked.
        output_sha256: The hash of what was written, see docs/artifacts.md.
    """

    model: Path
    output: Path
    pattern: str
    epsilon: float
    error: float
    mac_saved: float
    budget_missed: str
    upgraded: str
    stale: tuple[str, ...]
    converted: tuple[ConvertedSite, ...]
    dense: tuple[Refusal, ...]
    layouts: Layouts
    tuning: Tuning | None
    verification: Verification
    output_sha256: str

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it: paths as strings, infinite thresholds as "-inf" and "inf"."""
        report = asdict(self) | {"model": str(self.model), "output": str(self.output)}
        for site in report["converted"]:
            site["thresholds"] = json_thresholds(site["thresholds"])
        return report
