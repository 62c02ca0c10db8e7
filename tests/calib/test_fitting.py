"""fit: operating points from a calibration file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zaponnx import tables
from zaponnx.artifact_files import load_calibration, load_fit, save_calibration
from zaponnx.artifacts import LARGER_BLOCKS, MAGNITUDES, Calibration, Fit, Predictor, SiteCalibration
from zaponnx.calib.curves import layer_curve
from zaponnx.calib.fitting import fit
from zaponnx.calib.histograms import bin_edges
from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.patterns import Pattern


def site(output: str, *, middle: float, seed: int) -> SiteCalibration:
    """A site of three channels with 199,998 outputs, half predicted: the larger the prediction, the larger the value.

    The channels' values follow their predictions by other offsets.
    """
    generator = np.random.default_rng(seed)
    edges = bin_edges()
    predicted = generator.normal(middle, 0.5, (3, 100_000 // 3)).astype(np.float32)
    offset = np.array([[-0.7], [-0.3], [0.1]])
    true = np.maximum(predicted + generator.normal(offset, 0.2, predicted.shape), 0)
    bins = np.searchsorted(edges, predicted)
    size = len(edges) + 1
    counts = np.stack([np.bincount(row, minlength=size) for row in bins]).astype(np.int64)
    values = np.stack([np.bincount(row, weights, size) for row, weights in zip(bins, true, strict=True)])
    shapes = ((3, 1, 3, 3), (3,), (3, 1, 3, 3), (3,))
    return SiteCalibration(
        name=output,
        output=output,
        channels=3,
        macs_per_output=9,
        predictor=Predictor(*(np.zeros(shape, np.float32) for shape in shapes)),
        counts=counts,
        values=values,
        total_value=float(2 * true.sum()),
        outputs=2 * true.size,
        samples=10,
        magnitudes=np.concatenate([counts.sum(axis=0)[None], np.zeros((MAGNITUDES - 1, size), np.int64)]),
    )


@pytest.fixture(scope="module")
def calibration(tmp_path_factory: pytest.TempPathFactory) -> tuple[Calibration, Path]:
    """Four sites, and the file."""
    sites = tuple(site(f"out{index}", middle=0.2 * index, seed=index) for index in range(4))
    made = Calibration("0" * 64, Pattern.parse("B"), bin_edges(), sites, {})
    path = tmp_path_factory.mktemp("fit") / "model.zapcal"
    save_calibration(made, path)
    return made, path


@pytest.fixture(scope="module")
def fits(calibration: tuple[Calibration, Path]) -> dict[str, Fit]:
    """The fits of each kind."""
    path = calibration[1].with_suffix(".json")
    return {
        "channel": fit(calibration[1], path, objective="sum"),
        "layer": fit(calibration[1], path, granularity="layer", objective="sum"),
        "output": fit(calibration[1], path),
        "sigmoid": fit(calibration[1], path, method="sigmoid"),
    }


@pytest.fixture(params=["output", "channel", "layer", "sigmoid"])
def fitted(request: pytest.FixtureRequest, fits: dict[str, Fit]) -> Fit:
    """One of them."""
    return fits[request.param]


def test_the_points_end_with_the_patterns_only(fitted: Fit) -> None:
    epsilons = [point.epsilon for point in fitted.points]
    assert epsilons == sorted(epsilons)
    assert {value for values in fitted.points[-1].thresholds.values() for value in values} == {math.inf}
    assert fitted.points[-1].mac_saved == pytest.approx(0.5)


def test_the_sigmoids_budgets_are_the_papers(fits: dict[str, Fit]) -> None:
    assert set(np.arange(201) / 100) <= {point.epsilon for point in fits["sigmoid"].points}


def test_no_budget_means_no_error(fitted: Fit) -> None:
    assert fitted.points[0].epsilon == 0
    assert fitted.points[0].error == 0


@pytest.mark.parametrize("kind", ["layer", "sigmoid"])
def test_error_and_saving_are_those_of_the_measured_curves(
    kind: str, fits: dict[str, Fit], calibration: tuple[Calibration, Path]
) -> None:
    curves = [layer_curve(found, calibration[0].edges) for found in calibration[0].sites]
    for point in fits[kind].points[:: len(fits[kind].points) // 10]:
        at = [curve.at(*point.thresholds[curve.site]) for curve in curves]
        assert point.error == pytest.approx(sum(error for error, _ in at), rel=1e-5)
        assert point.mac_saved == pytest.approx(sum(saved for _, saved in at) / sum(curve.macs for curve in curves))
        assert all(value == np.float32(value) for values in point.thresholds.values() for value in values)


@pytest.mark.parametrize("kind", ["output", "channel", "layer"])
def test_the_exact_points_keep_their_budgets_and_lie_close_together(kind: str, fits: dict[str, Fit]) -> None:
    saved = [point.mac_saved for point in fits[kind].points]
    assert all(point.error <= point.epsilon for point in fits[kind].points)
    assert saved == sorted(saved)
    assert max(np.diff(saved)) < 0.01  # 0.004 plus the share of a step of one channel or layer
    assert {curve["curve"] for curve in fits[kind].curves.values()} == {"measured"}


def test_channels_save_more_than_layers_and_layers_more_than_sigmoids(fits: dict[str, Fit]) -> None:
    """At equal error; the channels differ, and each site's sum is the same."""

    def saved(kind: str, error: float) -> float:
        return max(point.mac_saved for point in fits[kind].points if point.error <= error)

    for error in (0.1, 0.3, 0.5):
        assert saved("channel", error) > saved("layer", error) + 0.01
        assert saved("layer", error) > saved("sigmoid", error) - 0.004


def test_as_many_thresholds_as_channels(fits: dict[str, Fit]) -> None:
    sizes = {kind: {len(v) for p in found.points for v in p.thresholds.values()} for kind, found in fits.items()}
    assert sizes == {"output": {3}, "channel": {3}, "layer": {1}, "sigmoid": {1}}


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, False), ({"granularity": "layer"}, True), ({"method": "sigmoid"}, True)],
    ids=["channels", "layers", "sigmoids"],
)
def test_thresholds_per_layer_of_refined_predictors_are_warned_of(
    calibration: tuple[Calibration, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, str],
    said: bool,
) -> None:
    made, unrefined = calibration
    refined = tmp_path / "refined.zapcal"
    worths = np.cumsum(np.ones_like(made.sites[0].values), axis=1)
    save_calibration(replace(made, sites=tuple(replace(site, worths=worths) for site in made.sites)), refined)
    fit(unrefined, tmp_path / "unrefined.zapfit.json", **options)
    assert not caplog.messages
    fit(refined, tmp_path / "refined.zapfit.json", **options)
    assert [message for message in caplog.messages if "calibrate with --refine-steps 0" in message] == caplog.messages
    assert bool(caplog.messages) == said


def test_what_is_written_is_what_is_returned(calibration: tuple[Calibration, Path], tmp_path: Path) -> None:
    result = fit(calibration[1], tmp_path / "fit.json", method="sigmoid")
    assert load_fit(tmp_path / "fit.json") == result
    assert all(curve["curve"] == "sigmoid" or curve["reason"] for curve in result.curves.values())


def test_unknown_options_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="unknown method 'best'; use one of exact, sigmoid"):
        fit(tmp_path / "model.zapcal", tmp_path / "fit.json", method="best")
    with pytest.raises(InvalidArgument, match="unknown granularity 'pixel'; use one of channel, layer"):
        fit(tmp_path / "model.zapcal", tmp_path / "fit.json", granularity="pixel")
    with pytest.raises(
        InvalidArgument, match="'sigmoid' does not have the granularity 'channel'; use the granularity 'layer', or"
    ):
        fit(tmp_path / "model.zapcal", tmp_path / "fit.json", method="sigmoid", granularity="channel")
    with pytest.raises(InvalidArgument, match="unknown objective 'speed'; use one of output, sum"):
        fit(tmp_path / "model.zapcal", tmp_path / "fit.json", objective="speed")
    (tmp_path / "model.zapcal").write_bytes(b"foreign")
    with pytest.raises(ArtifactError, match=r"model\.zapcal"):
        fit(tmp_path / "model.zapcal", tmp_path / "fit.json")
    assert not (tmp_path / "fit.json").exists()


@pytest.fixture
def blocked(calibration: tuple[Calibration, Path], tmp_path: Path) -> Path:
    """The same calibration with blocks: of two sites none can be skipped, of the others as much as outputs."""
    sites = []
    for index, each in enumerate(calibration[0].sites):
        counts = each.counts.sum(axis=0)
        kept = np.zeros_like(counts)
        kept[-1] = counts.sum()
        sites.append(replace(each, blocks=np.array([kept if index < 2 else counts] * len(LARGER_BLOCKS))))
    path = tmp_path / "blocked.zapcal"
    save_calibration(replace(calibration[0], sites=tuple(sites)), path)
    return path


def test_what_no_block_saves_is_not_paid_for(blocked: Path) -> None:
    """At equal error the other sites skip more."""
    path = blocked.with_suffix(".json")
    single = fit(blocked, path, granularity="layer", epsilon=0.5)
    found = fit(blocked, path, block="64x1x1", epsilon=0.5)
    assert (found.block, found.granularity, load_fit(path)) == ("64x1x1", "layer", found)
    by_site = found.chosen.point.thresholds
    assert by_site["out0"] == by_site["out1"] == (-math.inf,)
    for output in ("out2", "out3"):
        assert by_site[output] > single.chosen.point.thresholds[output]
    curves = [layer_curve(each, bin_edges(), "64x1x1") for each in load_calibration(blocked).sites]
    saved = sum(curve.at(*by_site[curve.site])[1] for curve in curves) / sum(curve.macs for curve in curves)
    assert found.chosen.point.mac_saved == pytest.approx(saved, rel=1e-5)
    assert found.points[-1].mac_saved == pytest.approx(0.5)
    assert "blocks of 64x1x1 outputs" in tables.fit(found)
    assert "blocks" not in tables.fit(single)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": "3x3"}, "unknown block '3x3'; use one of 1x1x1, 8x1x1, 64x1x1, 64x4x4"),
        ({"block": "8x1x1", "granularity": "channel"}, "a block of 8x1x1 is skipped by one threshold"),
        ({"block": "8x1x1", "method": "sigmoid"}, "the method 'sigmoid' does not count blocks of 8x1x1"),
    ],
)
def test_blocks_that_cannot_be_counted(blocked: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"fit: {message}"):
        fit(blocked, blocked.with_suffix(".json"), **options)


def test_blocks_that_were_not_measured(calibration: tuple[Calibration, Path], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="it has not measured blocks; calibrate again, or use the block '1x1x1'"):
        fit(calibration[1], tmp_path / "fit.json", block="8x1x1")
    assert not any(tmp_path.iterdir())
