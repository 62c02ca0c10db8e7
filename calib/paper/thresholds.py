"""adopt: reads a published dictionary of thresholds and a calibration, writes a fit with them."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from zaponnx.artifact_files import load_calibration, save_fit
from zaponnx.artifacts import Fit
from zaponnx.calib.curves import layer_curve
from zaponnx.calib.fitting import measured_point, warn_if_refined
from zaponnx.calib.paper.pickled import UnsafePickle, read_plain_pickle
from zaponnx.chosen_point import UsedData
from zaponnx.errors import DataError
from zaponnx.files import check_output, sha256

Thresholds = dict[float, tuple[float, ...]]

_log = logging.getLogger("zaponnx.adopt")


def adopt(calibration: Path | str, thresholds: Path | str, output: Path | str) -> Fit:
    """Writes a fit whose operating points are those of a dictionary that the method's authors publish.

    It has a threshold for every layer and each of many budgets. Errors and savings are those of the calibration's
    curves, at the highest edge that is not above a threshold; the predictors are the calibration's, too.

    Args:
        calibration: The calibration of the same network, its sites in the dictionary's order.
        thresholds: The pickled dictionary: epsilon → a list of thresholds. What it may ask to be run is not run.
        output: The fit file to write.

    Raises:
        InvalidArgument: The output's directory does not exist, or the output is an input.
        ArtifactError: The calibration cannot be read.
        DataError: The dictionary cannot be read, holds something else, or is for another number of layers.
    """
    calibration, thresholds, output = Path(calibration), Path(thresholds), Path(output)
    check_output(output, "adopt", [calibration, thresholds])
    measured = load_calibration(calibration, "adopt")
    curves = [layer_curve(site, measured.edges) for site in measured.sites]
    points = []
    for epsilon, values in sorted(read_thresholds(thresholds).items()):
        if len(values) != len(curves):
            problem = f"it has {len(values)} thresholds at epsilon {epsilon:g}, and the calibration {len(curves)} sites"
            remedy = "calibrate the layers that it is for, with --include and --exclude"
            raise DataError("adopt", problem, where=str(thresholds), remedy=remedy)
        points.append(measured_point(curves, epsilon, values))
    warn_if_refined(measured, _log)
    fit = Fit(
        model_sha256=measured.model_sha256,
        calibration_sha256=sha256(calibration),
        method="imported",
        granularity="layer",
        objective="sum",
        points=tuple(points),
        curves={site.output: {"curve": "measured"} for site in measured.sites},
        calibrated_on=UsedData.by_calibration(measured.settings),
    )
    save_fit(fit, output)
    return fit


def read_thresholds(file: Path) -> Thresholds:
    """The dictionary in a pickle: epsilon → thresholds, rounded to float32.

    Raises:
        DataError: The file cannot be read, or holds something else than numbers of such a form.
    """
    where = str(file)
    try:
        found = read_plain_pickle(file.read_bytes())
    except OSError as error:
        raise DataError("adopt", f"cannot be read ({error.strerror})", where=where) from error
    except UnsafePickle as error:
        raise DataError("adopt", str(error), where=where) from error
    lists = found.values() if isinstance(found, dict) else [None]
    if not all(isinstance(values, (list, tuple)) and all(map(_is_number, values)) for values in lists):
        raise DataError("adopt", "is no dictionary of lists of numbers", where=where)
    if not found or not all(_is_number(epsilon) and 0 <= epsilon < math.inf for epsilon in found):
        raise DataError("adopt", "its keys are not epsilons, numbers from 0", where=where)
    return {float(epsilon): tuple(float(np.float32(value)) for value in values) for epsilon, values in found.items()}


def _is_number(value: Any) -> bool:
    """Whether it is a number, and one that a float can be."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value)
    except OverflowError:  # an integer that is larger
        return False
