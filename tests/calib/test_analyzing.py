"""analyze: each layer alone, against counts of the outputs themselves."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from zaponnx.artifact_files import save_calibration
from zaponnx.artifacts import Calibration, Predictor
from zaponnx.calib.analysis import analysis
from zaponnx.calib.analyzing import analyze
from zaponnx.calib.histograms import SiteHistogram, bin_edges
from zaponnx.cli import main
from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.graph.site import Site
from zaponnx.patterns import Pattern

SITE = Site(name="conv", output="relu", residual="", channels=2, macs_per_output=9, bound=math.inf)
PREDICTOR = Predictor(*(np.zeros(shape, np.float32) for shape in ((2, 1, 3, 3), (2,), (2, 1, 3, 3), (2,))))
MASK = torch.from_numpy(Pattern.parse("B").mask(16, 16))


@pytest.fixture(scope="module")
def outputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs, half of them zero, and noisy predictions."""
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(8, 2, 16, 16, generator=generator)
    return before.relu(), 0.5 + 0.3 * (before + torch.randn(before.shape, generator=generator))


@pytest.fixture(scope="module")
def calibration(outputs: tuple[torch.Tensor, torch.Tensor]) -> Calibration:
    histogram = SiteHistogram(SITE, bin_edges())
    histogram.add(*outputs, MASK)
    return Calibration("0" * 64, Pattern.parse("B"), bin_edges(), (histogram.result(PREDICTOR),))


@pytest.mark.parametrize("threshold", [-math.inf, 0.2, 0.5, 1.0, math.inf])
def test_rates_are_shares_of_the_outputs(
    outputs: tuple[torch.Tensor, torch.Tensor], calibration: Calibration, threshold: float
) -> None:
    output, predicted = (each[:, :, ~MASK] for each in outputs)
    (site,) = analysis(calibration).sites
    index = site.at(threshold)
    skipped = predicted <= np.float32(threshold)
    assert site.true_zeros[index] == pytest.approx(float(skipped[output == 0].double().mean()))
    assert site.false_zeros[index] == pytest.approx(float(skipped[output > 0].double().mean()))
    assert site.macs[index] == pytest.approx(1 - float(skipped.double().mean()) / 2)
    assert site.zeros == pytest.approx(float((output == 0).double().mean()))
    missed = output[skipped & (output > 0)]
    assert site.missed[index].sum() == len(missed)
    assert site.missed[index, 15] == int(((missed >= 0.5) & (missed < 1)).sum())


def test_the_area_is_the_chance_that_a_zero_is_predicted_below_another_output(
    outputs: tuple[torch.Tensor, torch.Tensor], calibration: Calibration
) -> None:
    output, predicted = (each[:, :, ~MASK].flatten() for each in outputs)
    below = predicted[output == 0][:, None] < predicted[output > 0]
    # Bins are 0.01 wide, and an output's share of them at most 1.4 %: half of it may fall either way.
    assert analysis(calibration).sites[0].area == pytest.approx(float(below.double().mean()), abs=0.007)


def test_all_that_is_shown_keeps_to_one_percent(calibration: Calibration) -> None:
    (site,) = analysis(calibration).sites
    assert site.error[site.shown] <= 0.01 < site.error[site.shown + 1]


def test_files_have_what_is_returned(calibration: Calibration, tmp_path: Path) -> None:
    save_calibration(calibration, tmp_path / "model.zapcal")
    found = analyze(tmp_path / "model.zapcal", tmp_path / "new" / "analysis")
    assert {Path(name).name for name in found.files} == {path.name for path in (tmp_path / "new/analysis").iterdir()}
    assert json.loads((tmp_path / "new/analysis/analysis.json").read_text()) == found.to_json()
    tables = {}
    for name in ("layers", "rates", "missed"):
        with (tmp_path / "new" / "analysis" / f"{name}.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    (site,) = found.sites
    assert float(tables["layers"][0]["area"]) == site.area
    assert len(tables["rates"]) == len(site.thresholds)
    assert float(tables["rates"][-1]["macs"]) == 0.5
    last = [row for row in tables["missed"] if row["threshold"] == "1.3"]
    assert [int(row["missed"]) for row in last] == site.missed[site.at(1.3)].tolist()
    assert (last[0]["value_from"], last[1]["value_from"], last[-1]["value_from"]) == (
        "0.0",
        "3.0517578125e-05",
        "32768.0",
    )


def test_the_command_shows_each_layer(calibration: Calibration, tmp_path: Path) -> None:
    save_calibration(calibration, tmp_path / "model.zapcal")
    result = CliRunner().invoke(main, ["analyze", str(tmp_path / "model.zapcal"), "-o", str(tmp_path / "analysis")])
    assert result.exit_code == 0, result.stderr
    (site,) = analysis(calibration).sites
    (row,) = [line.split() for line in result.stdout.splitlines() if line.startswith("conv ")]
    assert row[2:4] == [f"{site.area:.3f}", f"{site.thresholds[site.shown]:.2f}"]
    assert str(tmp_path / "analysis" / "missed.csv") in result.stdout.splitlines()


def test_a_layer_without_outputs_to_predict(calibration: Calibration, tmp_path: Path) -> None:
    site = calibration.sites[0]
    assert site.magnitudes is not None
    empty = replace(
        site,
        counts=np.zeros_like(site.counts),
        values=np.zeros_like(site.values),
        magnitudes=np.zeros_like(site.magnitudes),
        blocks=None,
    )
    save_calibration(replace(calibration, sites=(empty,)), tmp_path / "model.zapcal")
    assert analyze(tmp_path / "model.zapcal", tmp_path).to_json()["sites"][0]["zeros"] is None


def test_what_cannot_be_analyzed(calibration: Calibration, tmp_path: Path) -> None:
    without = replace(calibration, sites=(replace(calibration.sites[0], magnitudes=None),))
    with pytest.raises(ArtifactError, match="conv: the magnitudes are missing"):
        analysis(without)
    save_calibration(calibration, tmp_path / "model.zapcal")
    with pytest.raises(InvalidArgument, match="cannot make the directory"):
        analyze(tmp_path / "model.zapcal", tmp_path / "model.zapcal")
