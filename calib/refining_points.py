"""The operating points to refine predictors at: reads a calibration, its network and samples, gives points.

Networks bear different savings, and predictors that are refined for more than theirs do harm where it is used. So the
points are chosen by what they do to the network's output, with all layers skipping.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from zaponnx.artifacts import Calibration, OperatingPoint
from zaponnx.calib.curves import Doubles
from zaponnx.calib.data import Batch
from zaponnx.calib.distributed import ALONE, ProcessGroup
from zaponnx.calib.divergence import divergence
from zaponnx.calib.fitting import exact_points
from zaponnx.calib.hulls import hulls
from zaponnx.calib.learning import LearningNetwork, RefiningError

_POINTS = 6
_DIVERGENCES = 0.0015, 0.3  # a classifier loses a percentage point of its accuracy at about 0.025
_TRIED = 12  # savings, evenly spaced, between which the divergence is interpolated
_TINY = 1e-9


@dataclass(frozen=True)
class RefiningPoints:
    """Operating points, and what they do.

    Attributes:
        points: By ascending saving.
        divergences: Of the outputs at each from the dense network's, at least 1e-9.
        unit: The divergence's denominator for a sample.
    """

    points: tuple[OperatingPoint, ...]
    divergences: Doubles
    unit: float


def refining_points(
    network: LearningNetwork, calibration: Calibration, samples: Sequence[Batch], group: ProcessGroup = ALONE
) -> RefiningPoints:
    """Six points with evenly spaced savings, from a divergence of about 0.0015 to one of about 0.3.

    Args:
        network: The network with the predictors.
        calibration: That they are of.
        samples: What to measure on: others than are learned from.
        group: The processes, which must agree; they have the same samples.

    Raises:
        RefiningError: The pattern leaves nothing to skip, or an output is not finite.
    """
    found = exact_points(hulls(calibration, "channel"), "output")
    most = found[-1].mac_saved
    if not most > 0:
        raise RefiningError("the pattern leaves nothing to skip")
    tried = nearest(found, np.linspace(0, most, _TRIED + 1)[1:])
    distances, _ = divergences(network, tried, samples)
    ends = np.interp(
        np.log(_DIVERGENCES), np.log(np.maximum.accumulate(distances)), [point.mac_saved for point in tried]
    )
    # By rounding, other processes could choose others.
    first, last = np.frombuffer(group.from_first(ends.tobytes()))
    points = nearest(found, np.linspace(first, last, _POINTS))
    measured, unit = divergences(network, points, samples)
    shared = np.frombuffer(group.from_first(np.array([*measured, unit]).tobytes()))
    return RefiningPoints(tuple(points), shared[:-1], float(shared[-1]))


def nearest(points: Sequence[OperatingPoint], savings: Sequence[float] | Doubles) -> list[OperatingPoint]:
    """For every share of the MACs, the point that saves nearest to it."""
    return [min(points, key=lambda point: abs(point.mac_saved - saving)) for saving in savings]


@torch.no_grad()
def divergences(
    network: LearningNetwork, points: Sequence[OperatingPoint], samples: Sequence[Batch]
) -> tuple[Doubles, float]:
    """How far a network's outputs are from the dense one's at operating points, and the denominator for a sample.

    Args:
        network: The network, with the predictors as refined so far.
        points: Of a calibration of the network.
        samples: What to measure on.

    Raises:
        RefiningError: An output is not finite.
    """
    distances = np.zeros(len(points))
    scale = 0.0
    for batch in samples:
        for inputs, count in network.runs(batch):
            reference = network.dense(inputs)[:count]
            for place, point in enumerate(points):
                distance, denominator = divergence(reference, network.skipping(inputs, point)[:count])
                distances[place] += float(distance)
            scale += float(denominator)
    if not (np.isfinite(distances).all() and math.isfinite(scale)):
        raise RefiningError("the network's output has NaN or infinite values")
    scale = scale or 1.0  # an output of zeros
    return np.maximum(distances / scale, _TINY), scale / sum(batch.size for batch in samples)
