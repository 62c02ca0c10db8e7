"""fit: operating points from a calibration file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from zaponnx.artifact_files import load_fit, save_calibration
from zaponnx.artifacts import MAGNITUDES, Calibration, Fit, Predictor, SiteCalibration
from zaponnx.calib.curves import measured_curve
from zaponnx.calib.fitting import fit
from zaponnx.calib.histograms import bin_edges
from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.patterns import Pattern


def site(output: str, *, middle: float, seed: int) -> SiteCalibration:
    """A site with 200,000 outputs, half predicted: the larger the prediction, the larger the value."""
    generator = np.random.default_rng(seed)
    edges = bin_edges()
    predicted = generator.normal(middle, 0.5, 100_000).astype(np.float32)
    true = np.maximum(predicted + generator.normal(-0.3, 0.2, predicted.shape), 0)
    bins = np.searchsorted(edges, predicted)
    counts = np.bincount(bins, minlength=len(edges) + 1)[None].astype(np.int64)
    weights = np.zeros((1, 1, 3, 3), np.float32)
    return SiteCalibration(
        name=output,
        output=output,
        channels=1,
        macs_per_output=9,
        predictor=Predictor(weights, np.zeros(1, np.float32), weights, np.zeros(1, np.float32)),
        counts=counts,
        values=np.bincount(bins, true, minlength=len(edges) + 1)[None],
        total_value=float(2 * true.sum()),
        outputs=200_000,
        samples=10,
        magnitudes=np.concatenate([counts, np.zeros((MAGNITUDES - 1, len(edges) + 1), np.int64)]),
    )


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> tuple[Calibration, Path]:
    """Four sites, and the file."""
    sites = tuple(site(f"out{index}", middle=0.2 * index, seed=index) for index in range(4))
    made = Calibration("0" * 64, Pattern.parse("B"), bin_edges(), sites, {})
    path = tmp_path_factory.mktemp("fit") / "model.zapcal"
    save_calibration(made, path)
    return made, path


@pytest.fixture(scope="module", params=["exact", "sigmoid"])
def fitted(request: pytest.FixtureRequest, calibration: tuple[Calibration, Path]) -> Fit:
    """The fit by each method."""
    return fit(calibration[1], calibration[1].with_suffix(f".{request.param}.json"), method=request.param)


def test_the_points_cover_the_papers_budgets_and_end_with_the_patterns_only(fitted: Fit) -> None:
    epsilons = [point.epsilon for point in fitted.points]
    assert set(np.arange(201) / 100) <= set(epsilons)
    assert epsilons == sorted(epsilons)
    assert set(fitted.points[-1].thresholds.values()) == {math.inf}
    assert fitted.points[-1].mac_saved == pytest.approx(0.5)


def test_no_budget_means_no_measured_error(fitted: Fit) -> None:
    assert fitted.points[0].epsilon == 0
    assert fitted.points[0].error == 0
    assert fitted.points[0].mac_saved > 0


def test_error_and_saving_are_those_of_the_measured_curves(fitted: Fit, calibration: tuple[Calibration, Path]) -> None:
    curves = [measured_curve(found, calibration[0].edges) for found in calibration[0].sites]
    for point in fitted.points[:: len(fitted.points) // 10]:
        at = [curve.at(point.thresholds[curve.site]) for curve in curves]
        assert point.error == pytest.approx(sum(error for error, _ in at))
        assert point.mac_saved == pytest.approx(sum(saved for _, saved in at) / sum(curve.macs for curve in curves))
        assert all(threshold == np.float32(threshold) for threshold in point.thresholds.values())


def test_the_exact_points_keep_their_budgets_and_lie_close_together(calibration: tuple[Calibration, Path]) -> None:
    exact = fit(calibration[1], calibration[1].with_suffix(".json"))
    saved = [point.mac_saved for point in exact.points]
    assert all(point.error <= point.epsilon for point in exact.points)
    assert saved == sorted(saved)
    assert max(np.diff(saved)) < 0.01  # 0.0025 plus the share of one bin of one site
    assert {curve["curve"] for curve in exact.curves.values()} == {"measured"}


def test_exact_saves_at_least_what_the_sigmoids_save(calibration: tuple[Calibration, Path]) -> None:
    exact = fit(calibration[1], calibration[1].with_suffix(".json"))
    for point in fit(calibration[1], calibration[1].with_suffix(".sigmoid"), method="sigmoid").points:
        rival = max(found.mac_saved for found in exact.points if found.error <= point.error + 1e-3)
        assert rival >= point.mac_saved - 0.003


def test_what_is_written_is_what_is_returned(calibration: tuple[Calibration, Path], tmp_path: Path) -> None:
    result = fit(calibration[1], tmp_path / "fit.json", method="sigmoid")
    assert load_fit(tmp_path / "fit.json") == result
    assert all(curve["curve"] == "sigmoid" or curve["reason"] for curve in result.curves.values())


def test_an_unknown_method_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="unknown method 'best'; use one of exact, sigmoid"):
        fit(tmp_path / "model.zapcal", tmp_path / "fit.json", method="best")
    (tmp_path / "model.zapcal").write_bytes(b"foreign")
    with pytest.raises(ArtifactError, match=r"model\.zapcal"):
        fit(tmp_path / "model.zapcal", tmp_path / "fit.json")
    assert not (tmp_path / "fit.json").exists()
