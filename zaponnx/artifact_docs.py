"""Writes the tables of docs/artifacts.md from the code: `python -m zaponnx.artifact_docs docs/artifacts.md`."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zaponnx.artifact_schema import calibration_of, calibration_parts, fit_document, fit_of
from zaponnx.artifacts import LARGER_BLOCKS, MAGNITUDES, Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.calib.cost_table import CostTable, SiteCosts, costs_document, costs_of
from zaponnx.chosen_point import ChosenPoint, Conditions, Goal, Trial, UsedData
from zaponnx.format_docs import json_table, keys_of, kinds_of, meanings_of, rewrite, table
from zaponnx.graph.site import Site
from zaponnx.patterns import Pattern
from zaponnx.stopwatch import PairedTimes

_CHANNELS, _EDGES = 7, 4
_SYMBOLS = {_CHANNELS: "M", _EDGES: "E", _EDGES + 1: "E + 1"}
"""What the sizes of the example's tensors are called."""

_HASH = "0" * 64
_STEPS = {"steps": "what its ZapConv gained at some densities"}
_CURVE = {
    "curve": '"measured" or "sigmoid": what the thresholds were computed from',
    "reason": "why a sigmoid was given up; optional",
    "error": "a, b, c, d of the fitted d + a / (1 + exp(−b·x + c)); optional",
    "macs": "the same of the MACs; optional",
}


def _calibration() -> Calibration:
    rows, columns = (_CHANNELS, _EDGES + 1), (MAGNITUDES, _EDGES + 1)
    weights, biases = np.zeros((_CHANNELS, 1, 3, 3), np.float32), np.zeros(_CHANNELS, np.float32)
    site = SiteCalibration(
        name="conv",
        output="y",
        channels=_CHANNELS,
        macs_per_output=9,
        predictor=Predictor(weights, biases, weights, biases),
        counts=np.zeros(rows, np.int64),
        values=np.zeros(rows),
        total_value=1.0,
        outputs=1,
        samples=1,
        magnitudes=np.zeros(columns, np.int64),
        blocks=np.zeros((len(LARGER_BLOCKS), _EDGES + 1), np.int64),
        worths=np.zeros(rows),
    )
    return Calibration(_HASH, Pattern.parse("D"), np.arange(_EDGES, dtype=np.float32), (site,))


def _fit() -> Fit:
    point, data = OperatingPoint(1.0, 1.0, 0.5, {"y": (math.inf,)}), UsedData("digits", "calibration", 1)
    times = PairedTimes(2.0, 1.0, 1.0, 0.1)
    trials = (Trial(1.0, 0.5, 0.9, None), Trial(1.0, 0.5, None, times))
    chosen = ChosenPoint(Goal(latency=1.0), point, (), "", data, _conditions(), trials)
    curve = {"curve": "sigmoid", "reason": "", "error": [0.0] * 4, "macs": [0.0] * 4}
    return Fit(_HASH, _HASH, "exact", "layer", "output", (point,), {"y": curve}, data, chosen)


def _conditions() -> Conditions:
    return Conditions("", 1, 1, 1, "", "")


def _costs() -> CostTable:
    site = SiteCosts("y", 1.0, 0.0, (0.5,), (1.0,))
    return CostTable(_HASH, _HASH, UsedData("digits", "calibration", 1), _conditions(), (site,))


def tables() -> dict[str, str]:
    """The tables in Markdown, by their names."""
    header, arrays = calibration_parts(_calibration())
    calibration = kinds_of(header, lambda read: calibration_of(read, dict(arrays)))
    fit = kinds_of(fit_document(_fit()), fit_of)
    costs = kinds_of(costs_document(_costs()), costs_of)
    point = keys_of(fit, "points[].")
    return {
        "calibration": json_table(calibration, "", meanings_of(Calibration)),
        "calibration site": json_table(calibration, "sites[].", meanings_of(SiteCalibration) | meanings_of(Site)),
        "calibration tensors": _tensor_table(arrays, *map(meanings_of, (Calibration, SiteCalibration, Predictor))),
        "fit": json_table(fit, "", meanings_of(Fit)),
        "point": json_table(fit, "points[].", meanings_of(OperatingPoint)),
        "chosen": json_table(fit, "chosen.", meanings_of(ChosenPoint), without=point),
        "curve": json_table(fit, "curves.y.", _CURVE),
        "data": json_table(fit, "chosen.data.", meanings_of(UsedData)),
        "conditions": json_table(fit, "chosen.conditions.", meanings_of(Conditions)),
        "trial": json_table(fit, "chosen.trials[].", meanings_of(Trial)),
        "times": json_table(fit, "chosen.trials[].times.", meanings_of(PairedTimes)),
        "costs": json_table(costs, "", meanings_of(CostTable)),
        "costs site": json_table(costs, "sites[].", meanings_of(SiteCosts) | _STEPS),
        "costs step": json_table(costs, "sites[].steps[].", meanings_of(SiteCosts)),
    }


def _tensor_table(arrays: Mapping[str, Any], *meanings: Mapping[str, str]) -> str:
    known = {name: text for each in meanings for name, text in each.items()}
    rows = []
    for name, array in arrays.items():
        shape = ", ".join(_SYMBOLS.get(size, str(size)) for size in array.shape)
        rows.append((f"`{name.replace('.0.', '.i.')}`", f"{array.dtype} ({shape})", known[name.rpartition(".")[2]]))
    return table("tensor", rows)


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]), tables())
