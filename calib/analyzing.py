"""analyze: reads a calibration, writes tables and figures of each layer alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zaponnx.artifact_files import load_calibration
from zaponnx.calib.analysis import Analysis, analysis
from zaponnx.calib.curves import layer_curve
from zaponnx.calib.plots import curve_figures, rate_figures, save_figures
from zaponnx.calib.sigmoid import SAMPLED
from zaponnx.errors import InvalidArgument
from zaponnx.files import atomic_path, check_output

Rows = Iterator[Sequence[Any]]

_JSON = "analysis.json"
_LOWEST_EXPONENT = -16  # of the smallest class of missed values


def analyze(calibration: Path | str, output: Path | str) -> Analysis:
    """Writes how well each layer's predictor tells zeros, at every threshold, and what it misses.

    Args:
        calibration: The calibration file.
        output: The directory to write, made if it does not exist: analysis.json; layers.csv, a row per layer;
            rates.csv, the rates of true and false zeros (the ROC curve), error and MACs at every threshold;
            missed.csv, the missed outputs by their value at the paper's thresholds; error.png and macs.png, with the
            sigmoids; roc.png; missed.png.

    Raises:
        InvalidArgument: The directory cannot be made or written to.
        ArtifactError: The calibration cannot be read.
    """
    calibration, output = Path(calibration), Path(output)
    measured = load_calibration(calibration, "analyze")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument("analyze", f"cannot make the directory: {error.strerror}", where=str(output)) from error
    check_output(output / _JSON, "analyze", [calibration])
    found = analysis(measured)
    tables = {"layers.csv": _layers, "rates.csv": _rates, "missed.csv": _missed}
    for name, rows in tables.items():
        with (
            atomic_path(output / name, "analyze") as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows(rows(found))
    curves = [layer_curve(site, measured.edges) for site in measured.sites]
    figures = curve_figures(curves, [site.smooth for site in found.sites]) | rate_figures(found.sites)
    save_figures(figures, output, "analyze")
    found = replace(found, files=tuple(str(output / name) for name in (_JSON, *tables, *figures)))
    with atomic_path(output / _JSON, "analyze") as temporary:
        temporary.write_text(json.dumps(found.to_json(), indent=1) + "\n", encoding="utf-8")
    return found


def _layers(found: Analysis) -> Rows:
    sigmoids = [f"{curve} {letter}" for curve in ("error", "macs") for letter in "abcd"]
    yield "layer", "output", "zeros", "area", *sigmoids, "why no sigmoids"
    for site in found.sites:
        coefficients = [value for name in ("error", "macs") for value in site.smooth.coefficients.get(name, [""] * 4)]
        yield site.name, site.output, site.zeros, site.area, *coefficients, site.smooth.reason


def _rates(found: Analysis) -> Rows:
    yield "layer", "threshold", "true_zeros", "false_zeros", "error", "macs"
    for site in found.sites:
        for index, threshold in enumerate(site.thresholds):
            yield site.name, f"{threshold:.4g}", *site.rates(index).values()


def _missed(found: Analysis) -> Rows:
    yield "layer", "threshold", "value_from", "missed"
    for site in found.sites:
        for threshold in SAMPLED:
            for column, count in enumerate(site.missed[site.at(threshold)]):
                lowest = 2.0 ** (column + _LOWEST_EXPONENT) if column else 0.0
                yield site.name, f"{threshold:.1f}", lowest, count
