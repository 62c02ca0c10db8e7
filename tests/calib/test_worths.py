"""What outputs are worth: with the same predictors the path of thresholds stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.calib.test_hulls import EDGES, site
from zaponnx.artifacts import SiteCalibration
from zaponnx.calib.curves import channel_curve
from zaponnx.calib.hulls import hull
from zaponnx.calib.worths import worths

__all__ = ["site"]  # a fixture


def test_with_the_same_counts_the_hulls_are_the_same(site: SiteCalibration) -> None:
    """At each corner; in between there may be more, on the lines. To the rounding of the corners in float32."""
    corners = hull(channel_curve(site, EDGES))
    curve = channel_curve(replace(site, worths=worths(site, EDGES)), EDGES)
    at = np.searchsorted(curve.thresholds, corners.thresholds)
    assert len(corners.rows) > 10
    np.testing.assert_allclose(curve.saved[corners.rows, at], corners.saved, rtol=1e-6)
    np.testing.assert_allclose(curve.error[corners.rows, at], corners.error, rtol=1e-4, atol=1e-7)
    again = hull(curve)
    assert set(zip(corners.rows, corners.thresholds, strict=True)) <= set(
        zip(again.rows, again.thresholds, strict=True)
    )


def test_other_predictors_outputs_keep_the_price_of_their_bin(site: SiteCalibration) -> None:
    prices = worths(site, EDGES)
    moved = replace(site, counts=site.counts[:, ::-1], worths=prices)
    error = channel_curve(moved, EDGES).error[:, -1]
    np.testing.assert_allclose(error, (moved.counts * prices).sum(axis=1) / site.total_value)


def test_they_are_sound(site: SiteCalibration) -> None:
    prices = worths(site, EDGES)
    assert prices.shape == site.counts.shape
    assert prices.dtype == np.float64
    assert prices.min() >= 0
    assert (np.diff(prices, axis=1) >= 0).all()
    assert prices[0, -1] == pytest.approx(0.5, abs=0.5)  # values are from 0 to 1


def test_a_site_that_is_zero_everywhere_is_worth_nothing(site: SiteCalibration) -> None:
    assert not worths(replace(site, values=np.zeros_like(site.values), total_value=0.0), EDGES).any()
