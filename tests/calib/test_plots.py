"""Figures of a calibration and a fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zaponnx.artifacts import Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.calib.histograms import bin_edges
from zaponnx.calib.plots import plot_curves
from zaponnx.errors import InvalidArgument
from zaponnx.patterns import Pattern

FIT = Fit(
    "0" * 64,
    "1" * 64,
    "exact",
    "layer",
    "sum",
    (OperatingPoint(0.0, 0.0, 0.1, {"relu": (0.0,)}), OperatingPoint(2.0, 0.5, 0.5, {"relu": (np.inf,)})),
    {"relu": {"curve": "measured"}},
)


@pytest.fixture
def calibration() -> Calibration:
    """One site whose predictions are normally distributed, and whose values grow with them."""
    edges = bin_edges()
    predicted = np.random.default_rng(0).normal(0.2, 0.5, 10_000)
    bins = np.searchsorted(edges, predicted)
    weights = np.zeros((1, 1, 3, 3), np.float32)
    site = SiteCalibration(
        name="conv",
        output="relu",
        channels=1,
        macs_per_output=9,
        predictor=Predictor(weights, np.zeros(1, np.float32), weights, np.zeros(1, np.float32)),
        counts=np.bincount(bins, minlength=len(edges) + 1)[None].astype(np.int64),
        values=np.bincount(bins, np.maximum(predicted, 0), minlength=len(edges) + 1)[None],
        total_value=float(2 * np.maximum(predicted, 0).sum()),
        outputs=20_000,
        samples=1,
    )
    return Calibration("0" * 64, Pattern.parse("B"), edges, (site,), {})


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def test_three_figures_are_drawn(calibration: Calibration, tmp_path: Path) -> None:
    paths = plot_curves(calibration, FIT, tmp_path)
    assert [path.name for path in paths] == ["error.png", "macs.png", "frontier.png"]
    for path in paths:
        assert pixels(path).shape[0] > 500
        assert pixels(path).std() > 10


def test_the_curves_figures_follow_the_calibration_and_the_frontier_the_fit(
    calibration: Calibration, tmp_path: Path
) -> None:
    before = [pixels(path) for path in plot_curves(calibration, FIT, tmp_path)]
    site = calibration.sites[0]
    moved = replace(site, counts=np.roll(site.counts, 20), values=np.roll(site.values, 20))
    other = replace(FIT, points=(*FIT.points[:1], OperatingPoint(2.0, 0.7, 0.4, {"relu": (np.inf,)})))

    def changed(calibration: Calibration, fit: Fit) -> list[bool]:
        after = [pixels(path) for path in plot_curves(calibration, fit, tmp_path)]
        return [not np.array_equal(first, second) for first, second in zip(before, after, strict=True)]

    assert changed(replace(calibration, sites=(moved,)), FIT) == [True, True, False]
    assert changed(calibration, other) == [False, False, True]


def test_a_directory_that_does_not_exist(calibration: Calibration, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="there is no directory"):
        plot_curves(calibration, FIT, tmp_path / "nowhere")
