"""Histograms and the curves that follow from them, against direct sums."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from zaponnx.artifacts import BLOCKS, Predictor
from zaponnx.calib.curves import layer_curve
from zaponnx.calib.histograms import SiteHistogram, bin_edges, magnitude_classes
from zaponnx.graph.site import Site
from zaponnx.patterns import Pattern

SITE = Site(name="conv", output="relu", residual="", channels=3, macs_per_output=18, bound=math.inf)
PREDICTOR = Predictor(*(np.zeros(shape, np.float32) for shape in ((3, 1, 3, 3), (3,), (3, 1, 3, 3), (3,))))
MASK = torch.from_numpy(Pattern.parse("B").mask(5, 7))


@pytest.fixture
def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Outputs and predictions of 2 and of 3 samples; some predictions are exactly on an edge."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for samples in (2, 3):
        output = torch.randn(samples, 3, 5, 7, generator=generator).relu()
        predictions = torch.randn(samples, 3, 5, 7, generator=generator)
        predictions[:, :, 0] = 0.5
        made.append((output, predictions))
    return made


def test_edges_are_ascending_float32_over_the_papers_range() -> None:
    edges = bin_edges()
    assert edges.dtype == np.float32
    assert (np.diff(edges) > 0).all()
    assert set(np.float32(np.arange(-13, 14) / 10)) <= set(edges)


def test_curves_are_the_sums_over_what_a_threshold_skips(batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    histogram = SiteHistogram(SITE, bin_edges())
    for output, predictions in batches:
        histogram.add(output, predictions, MASK)
    curve = layer_curve(histogram.result(PREDICTOR), bin_edges())
    outputs = torch.cat([output for output, _ in batches]).double()
    predictions = torch.cat([predicted for _, predicted in batches])
    assert curve.macs == 3 * 5 * 7 * 18
    for threshold in (-math.inf, -0.5, 0.49, 0.5, 1.3, math.inf):
        skipped = ~MASK & (predictions <= np.float32(threshold))
        error, saved = curve.at(threshold)
        assert error == pytest.approx(float(outputs[skipped].sum() / outputs.sum()), abs=1e-12)
        assert saved == pytest.approx(float(skipped.sum()) * 18 / 5)


def test_a_prediction_that_is_no_number_is_never_skipped() -> None:
    histogram = SiteHistogram(SITE, bin_edges())
    histogram.add(torch.ones(1, 3, 5, 7), torch.full((1, 3, 5, 7), math.nan), MASK)
    counts = histogram.result(PREDICTOR).counts
    assert counts[:, -1].tolist() == [17, 17, 17]
    assert counts.sum() == 51


def test_a_site_whose_outputs_are_all_zero_loses_nothing() -> None:
    histogram = SiteHistogram(SITE, bin_edges())
    histogram.add(torch.zeros(1, 3, 5, 7), torch.zeros(1, 3, 5, 7), MASK)
    assert layer_curve(histogram.result(PREDICTOR), bin_edges()).at(math.inf) == (0.0, 51 * 18)


def test_outputs_are_classed_by_their_magnitude(batches: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
    histogram = SiteHistogram(SITE, bin_edges())
    for output, predictions in batches:
        histogram.add(output, predictions, MASK)
    found = histogram.result(PREDICTOR)
    assert found.magnitudes is not None
    assert np.array_equal(found.magnitudes.sum(axis=0), found.counts.sum(axis=0))
    skipped = int(np.searchsorted(bin_edges(), np.float32(0.5))) + 1  # bins of a threshold of 0.5
    outputs = torch.cat([output for output, _ in batches])[:, :, ~MASK]
    low = torch.cat([predicted for _, predicted in batches])[:, :, ~MASK] <= 0.5
    assert found.magnitudes[0, :skipped].sum() == int(((outputs == 0) & low).sum())
    assert found.magnitudes[17, :skipped].sum() == int(((outputs >= 1) & (outputs < 2) & low).sum())


def test_classes_of_magnitude_are_powers_of_two_open_at_both_ends() -> None:
    values = torch.tensor([0, 2**-30, 2**-16, 2**-15, 0.99, 1, 1.99, 2, 2**15, 1e30])
    assert magnitude_classes(values).tolist() == [0, 1, 1, 2, 16, 17, 17, 18, 32, 32]


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_count_what_is_skipped_where_all_outside_the_pattern_is(block: str) -> None:
    """On a map and channels that no block divides; a prediction that is no number keeps its block."""
    channels, rows, columns = 70, 5, 7
    size = BLOCKS[block]
    generator = torch.Generator().manual_seed(0)
    predictions = torch.randn(2, channels, rows, columns, generator=generator) - 2
    predictions[0, 69, 0, 1] = math.nan
    site = replace(SITE, channels=channels)
    histogram = SiteHistogram(site, bin_edges())
    for sample in predictions.split(1):
        histogram.add(torch.ones_like(sample), sample, MASK)
    shapes = ((channels, 1, 3, 3), (channels,)) * 2
    measured = histogram.result(Predictor(*(np.zeros(shape, np.float32) for shape in shapes)))
    curve = layer_curve(measured, bin_edges(), block)
    for threshold in (-math.inf, -1.0, 0.5, 1.3, math.inf):
        skipped = 0
        for n, c, h, w in itertools.product(
            range(2), *(range(0, extent, step) for extent, step in zip((channels, rows, columns), size, strict=True))
        ):
            place = (slice(c, c + size[0]), slice(h, h + size[1]), slice(w, w + size[2]))
            outside = predictions[n][place][:, ~MASK[place[1:]]]
            skipped += outside.numel() if bool((outside <= threshold).all()) else 0
        expected = skipped if threshold < math.inf else 2 * channels * int((~MASK).sum())
        assert curve.at(threshold)[1] == pytest.approx(expected * 18 / 2)
    assert curve.at(-1.0)[0] == layer_curve(measured, bin_edges()).at(-1.0)[0], "what is lost is the same"
