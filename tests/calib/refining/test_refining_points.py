"""The operating points at which predictors are refined, and the divergences by which they are chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.calib.refining.converted import moved
from zaponnx.artifacts import Calibration, OperatingPoint
from zaponnx.calib.data import Batch
from zaponnx.calib.fitting import exact_points
from zaponnx.calib.hulls import hulls
from zaponnx.calib.learning import LearningNetwork
from zaponnx.calib.refining_points import RefiningPoints, divergences, refining_points


def found_by_divergence(
    monkeypatch: pytest.MonkeyPatch, at: Callable[[float], float], **arguments: Any
) -> RefiningPoints:
    """The points if the divergence is `at` the MACs saved."""

    def measured(_: object, points: list[OperatingPoint], *others: object) -> tuple[np.ndarray, float]:
        return np.array([at(point.mac_saved) for point in points]), 2.0

    monkeypatch.setattr("zaponnx.calib.refining_points.divergences", measured)
    return refining_points(**arguments)


@pytest.mark.parametrize(
    ("at", "ends"),
    [
        (lambda saved: 0.0015 * 200 ** ((saved - 0.2) / 0.3), (0.2, 0.5)),
        (lambda saved: 1e-6, (2 / 3, 2 / 3)),  # D leaves two thirds to skip
        (lambda saved: 9.0, (2 / 3 / 12, 2 / 3 / 12)),
    ],
    ids=["within", "nothing does harm", "everything does"],
)
def test_the_points_are_evenly_spread_over_what_the_network_bears(
    monkeypatch: pytest.MonkeyPatch,
    network: LearningNetwork,
    base: Calibration,
    samples: Batch,
    at: Callable[[float], float],
    ends: tuple[float, float],
) -> None:
    found = found_by_divergence(monkeypatch, at, network=network, calibration=base, samples=[samples])
    saved = [point.mac_saved for point in found.points]
    np.testing.assert_allclose(saved, np.linspace(*ends, 6), atol=0.03)
    assert found.divergences.tolist() == [at(each) for each in saved]
    assert found.unit == 2.0


def test_divergences_are_those_of_converted_models(
    network: LearningNetwork, base: Calibration, samples: Batch, path: Path, tmp_path: Path
) -> None:
    """Of outputs that are no scores, in ONNX Runtime and in parts of any size."""
    calibration = tmp_path / "base.zapcal"
    savings = (0.2, 0.4)
    expected = [moved(path, calibration, samples.inputs["input"], saving)[0] for saving in savings]
    found_points = exact_points(hulls(base, "channel"), "output")
    points = [next(point for point in found_points if point.mac_saved >= saving) for saving in savings]
    parts = [samples.take(slice(start, start + 24)) for start in (0, 24, 48)]
    for each in (network, replace(network, fixed_batch=7)):
        found, unit = divergences(each, points, parts)
        np.testing.assert_allclose(found, expected, rtol=0.02)
        assert unit > 0
