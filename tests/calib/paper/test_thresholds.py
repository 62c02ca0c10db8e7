"""adopt: from a pickled dictionary to operating points."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zaponnx
from zaponnx import tables
from zaponnx.artifact_files import load_calibration, load_fit, save_calibration
from zaponnx.errors import DataError, InvalidArgument

Pickled = Callable[[Any], Path]


@pytest.fixture
def pickled(tmp_path: Path) -> Pickled:
    def write(content: Any) -> Path:
        (tmp_path / "thresholds.p").write_bytes(pickle.dumps(content, 3))
        return tmp_path / "thresholds.p"

    return write


def test_thresholds_become_operating_points(small, pickled: Pickled, tmp_path: Path) -> None:
    """None skipped, half of those outside the pattern, and all of which something is known."""
    calibration = load_calibration(small.calibration)
    (site,) = calibration.sites
    skipped = site.counts.sum(axis=0).cumsum()
    half = int(np.searchsorted(skipped, skipped[-1] / 2))
    between = (float(calibration.edges[half]) + float(calibration.edges[half + 1])) / 2
    thresholds = OrderedDict({np.float64(0.2): [between], np.float64(0.1): [-1e9], np.float64(2.0): [1e9]})
    output = tmp_path / "m.zapfit.json"
    made = zaponnx.adopt(small.calibration, pickled(thresholds), output)
    assert load_fit(output) == made
    assert [point.epsilon for point in made.points] == [0.1, 0.2, 2.0]
    given = [-1e9, between, 1e9]
    assert [point.thresholds[site.output] for point in made.points] == [(float(np.float32(value)),) for value in given]
    # As measured at the highest edge that is not above the threshold.
    outputs = [0, skipped[half], skipped[-2]]
    assert [point.mac_saved for point in made.points] == pytest.approx([count / site.outputs for count in outputs])
    assert made.points[2].error == pytest.approx(site.values[:, :-1].sum() / site.total_value)
    converted = zaponnx.convert(small.model, small.calibration, output, tmp_path / "m.zap.onnx", epsilon=2)
    assert converted.mac_saved == made.points[-1].mac_saved
    assert tables.fit(made).splitlines()[2].split()[0] == "0.1"


@pytest.mark.parametrize("refined", [False, True])
def test_a_threshold_per_layer_of_refined_predictors_is_warned_of(
    small, pickled: Pickled, tmp_path: Path, caplog: pytest.LogCaptureFixture, refined: bool
) -> None:
    made, calibration = load_calibration(small.calibration), tmp_path / "m.zapcal"
    worths = np.cumsum(np.ones_like(made.sites[0].values), axis=1) if refined else None
    save_calibration(replace(made, sites=tuple(replace(site, worths=worths) for site in made.sites)), calibration)
    zaponnx.adopt(calibration, pickled({0.1: [0.5]}), tmp_path / "m.zapfit.json")
    assert ["calibrate with --refine-steps 0" in message for message in caplog.messages] == [True] * refined


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({0.1: [0.5, 0.5]}, "it has 2 thresholds at epsilon 0.1, and the calibration 1 sites; calibrate the layers"),
        ({}, "its keys are not epsilons"),
        ({-0.1: [0.5]}, "its keys are not epsilons"),
        ({"0.1": [0.5]}, "its keys are not epsilons"),
        ({0.1: [float("nan")]}, "is no dictionary of lists of numbers"),
        ({0.1: [10**400]}, "is no dictionary of lists of numbers"),
        ({10**400: [0.5]}, "its keys are not epsilons"),
        ({0.1: [True]}, "is no dictionary of lists of numbers"),
        ({0.1: 0.5}, "is no dictionary of lists of numbers"),
        ([0.5], "is no dictionary of lists of numbers"),
        (print, r"it calls or refers to builtins\.print, which is not run"),
    ],
)
def test_what_is_no_dictionary_of_thresholds(
    small, pickled: Pickled, tmp_path: Path, content: Any, problem: str
) -> None:
    with pytest.raises(DataError, match=rf"adopt: .*thresholds\.p: {problem}"):
        zaponnx.adopt(small.calibration, pickled(content), tmp_path / "m.zapfit.json")
    assert not (tmp_path / "m.zapfit.json").exists()


def test_files_that_cannot_be_used(small, pickled: Pickled, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        zaponnx.adopt(small.calibration, tmp_path, tmp_path / "m.zapfit.json")
    thresholds = pickled({0.1: [0.5]})
    with pytest.raises(InvalidArgument, match="the output is also an input"):
        zaponnx.adopt(small.calibration, thresholds, thresholds)
