"""Curves per channel, and the corners of hulls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from zaponnx.artifacts import MAGNITUDES, Predictor, SiteCalibration
from zaponnx.calib.curves import Curve, channel_curve, layer_curve
from zaponnx.calib.histograms import bin_edges
from zaponnx.calib.hulls import Hull, hull

EDGES = bin_edges()


@pytest.fixture
def site() -> SiteCalibration:
    """Three channels: the first has many outputs, the second loses nothing, the third has a single output."""
    generator = np.random.default_rng(0)
    counts = generator.integers(0, 1000, (3, len(EDGES) + 1))
    counts[2] = np.eye(len(EDGES) + 1, dtype=np.int64)[100]
    values = counts * generator.random((3, len(EDGES) + 1))
    values[1] = 0
    shapes = ((3, 1, 3, 3), (3,), (3, 1, 3, 3), (3,))
    magnitudes = np.zeros((MAGNITUDES, len(EDGES) + 1), np.int64)
    magnitudes[0] = counts.sum(axis=0)
    return SiteCalibration(
        "conv", "relu", 3, 9, Predictor(*(np.zeros(shape, np.float32) for shape in shapes)), counts, values,
        total_value=float(2 * values.sum()), outputs=int(3 * counts.sum()), samples=7, magnitudes=magnitudes,
    )  # fmt: skip


def test_the_channels_share_what_the_site_saves(site: SiteCalibration) -> None:
    layer, channels = layer_curve(site, EDGES), channel_curve(site, EDGES)
    assert channels.saved.shape == (3, len(channels.thresholds))
    at = np.searchsorted(layer.thresholds, channels.thresholds)
    np.testing.assert_array_equal(layer.thresholds[at], channels.thresholds)
    np.testing.assert_allclose(channels.saved.sum(axis=0), layer.saved[0, at], rtol=1e-12)
    counted = np.cumsum(site.counts, axis=1)[:, at[1:-1] - 1]
    np.testing.assert_allclose(channels.saved[:, 1:-1], counted * 27 * 9 / 27 / 7 * site.outputs / site.outputs)


def test_what_few_outputs_lose_is_drawn_towards_the_sites_mean(site: SiteCalibration) -> None:
    """The channel with a thousand times more outputs keeps its own."""
    error = channel_curve(site, EDGES).error[:, -1] * site.total_value
    assert error[0] == pytest.approx(site.values[0].sum(), rel=0.03)
    assert 0 < error[1] < 0.03 * error[0]
    single = site.values[:, 100].sum() / site.counts[:, 100].sum()
    assert error[2] == pytest.approx((site.values[2, 100] + 10 * single) / 11)


def test_a_site_that_is_zero_everywhere_loses_nothing(site: SiteCalibration) -> None:
    zero = replace(site, values=np.zeros_like(site.values), total_value=0.0)
    assert not channel_curve(zero, EDGES).error.any()


@pytest.mark.parametrize("seed", range(10))
def test_corners_are_the_points_above_every_line_between_others(
    random_curve: Callable[[np.random.Generator, str, int], Curve], seed: int
) -> None:
    curve = random_curve(np.random.default_rng(seed), "site", 4)
    found = hull(curve)
    for row, (error, saved) in enumerate(zip(curve.error, curve.saved, strict=True)):
        points = list(zip(error, saved, strict=True))
        corners = []
        for index, (x, y) in enumerate(points):
            lines = [
                left[1] + (right[1] - left[1]) * (x - left[0]) / (right[0] - left[0])
                for left in points[:index]
                for right in points[index + 1 :]
                if left[0] <= x < right[0]
            ]
            dominated = any(other[1] >= y for other in points[:index]) or any(
                other[0] <= x for other in points[index + 1 :] if other[1] > y
            )
            if not dominated and all(y > line + 1e-9 for line in lines):
                corners.append((x, y, curve.thresholds[index]))
        of_row = found.rows == row
        numbers = (found.error[of_row], found.saved[of_row], found.thresholds[of_row])
        np.testing.assert_allclose(np.stack(numbers, axis=1), np.array(corners), rtol=1e-6)
    assert found.size == 4


def arrays() -> dict[str, np.ndarray]:
    """Two hulls, of two corners and of one."""
    numbers = {"thresholds": [0.0, 1.0, -np.inf], "error": [0.0, 0.5, 0.0], "saved": [1.0, 2.0, 0.0]}
    return {"rows": np.array([0, 0, 1], np.int32)} | {name: np.array(v, np.float32) for name, v in numbers.items()}


def test_sound_arrays_are_a_hull() -> None:
    assert Hull("site", 9.0, 1.0, **arrays()).size == 2


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rows", [0, 0, 2]),
        ("rows", [1, 1, 2]),
        ("rows", [0, 1, 0]),
        ("rows", [0, 0]),
        ("thresholds", [0.0, np.nan, 1.0]),
        ("error", [0.0, 0.0, 0.0]),
        ("error", [0.1, 0.5, 0.0]),
        ("error", [0.0, np.inf, 0.0]),
        ("error", [0.0, np.nan, 0.0]),
        ("saved", [1.0, 0.5, 0.0]),
        ("saved", [-1.0, 0.5, 0.0]),
        ("saved", [[1.0, 2.0, 0.0]]),
    ],
)
def test_unsound_arrays_are_none(name: str, values: list[float]) -> None:
    sound = arrays()
    with pytest.raises(ValueError, match="hull"):
        Hull("site", 9.0, 1.0, **sound | {name: np.array(values, sound[name].dtype)})


def test_arrays_of_other_types_are_none() -> None:
    with pytest.raises(ValueError, match="types"):
        Hull("site", 9.0, 1.0, **arrays() | {"error": np.zeros(3)})
    with pytest.raises(ValueError, match="shapes"):
        Hull("site", 9.0, 1.0, **{name: values[:0] for name, values in arrays().items()})
