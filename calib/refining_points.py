"""The operating points to refine predictors at: reads a calibration, its network and samples, gives points.

Networks bear different savings, and predictors that are refined for more than theirs do harm where it is used. So the
points are chosen by what they do to the network's output, with all layers skipping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from zaponnx.progress import Progress, silent

_POINTS = 6
A_POINT = 0.025
"""The divergence at which a classifier loses about a percentage point of its accuracy."""

_DIVERGENCES = 0.0015, 0.3
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
    network: LearningNetwork,
    calibration: Calibration,
    samples: Sequence[Batch],
    group: ProcessGroup = ALONE,
    progress: Progress = silent,
) -> RefiningPoints:
    """Six points with evenly spaced savings, from a divergence of about 0.0015 to one of about 0.3.

    Args:
        network: The network with the predictors.
        calibration: That they are of.
        samples: What to measure on: others than are learned from.
        group: The processes, which must agree; they have the same samples.
        progress: Told about batches of samples done, of which there are two rounds.

    Raises:
        RefiningError: The pattern leaves nothing to skip, or an output is not finite.
    """
    found = exact_points(hulls(calibration, "channel"), "output")
    step = "choosing where to refine"
    ends = savings_at(network, found, _DIVERGENCES, samples, group, lambda done: progress(step, done, 2 * len(samples)))
    points = nearest(found, np.linspace(ends[0], ends[1], _POINTS))
    measured, unit = divergences(
        network, points, samples, group, lambda done: progress(step, len(samples) + done, 2 * len(samples))
    )
    return RefiningPoints(tuple(points), measured, unit)


def savings_at(
    network: LearningNetwork,
    points: Sequence[OperatingPoint],
    wanted: Sequence[float],
    samples: Sequence[Batch],
    group: ProcessGroup = ALONE,
    done: Callable[[int], None] = lambda batches: None,
    least: float | None = None,
) -> Doubles:
    """The shares of the MACs that are saved where the outputs have these divergences, between twelve that are tried.

    Args:
        network, samples, group, done: As in `divergences`.
        points: All of a calibration of the network, by ascending saving.
        wanted: The divergences.
        least: The share for a divergence that is exceeded by the first saving tried, a twelfth of what the pattern
            leaves; that saving if None.

    Raises:
        RefiningError: The pattern leaves nothing to skip, or an output is not finite.
    """
    most = points[-1].mac_saved
    if not most > 0:
        raise RefiningError("the pattern leaves nothing to skip")
    tried = nearest(points, np.linspace(0, most, _TRIED + 1)[1:])
    distances, _ = divergences(network, tried, samples, group, done)
    saved = [point.mac_saved for point in tried]
    savings: Doubles = np.interp(np.log(wanted), np.log(np.maximum.accumulate(distances)), saved, left=least)
    return savings


def nearest(points: Sequence[OperatingPoint], savings: Sequence[float] | Doubles) -> list[OperatingPoint]:
    """For every share of the MACs, the point that saves nearest to it."""
    return [min(points, key=lambda point: abs(point.mac_saved - saving)) for saving in savings]


@torch.no_grad()
def divergences(
    network: LearningNetwork,
    points: Sequence[OperatingPoint],
    samples: Sequence[Batch],
    group: ProcessGroup = ALONE,
    done: Callable[[int], None] = lambda batches: None,
) -> tuple[Doubles, float]:
    """How far a network's outputs are from the dense one's at operating points, and the denominator for a sample.

    Args:
        network: The network, with the predictors as refined so far.
        points: Of a calibration of the network.
        samples: What to measure on.
        group: The processes, of which all get what the first one measures: others may round otherwise.
        done: Told about batches done.

    Raises:
        RefiningError: An output is not finite.
    """
    distances = np.zeros(len(points))
    scale = 0.0
    for number, batch in enumerate(samples, start=1):
        for inputs, count in network.runs(batch):
            reference = network.dense(inputs)[:count]
            for place, point in enumerate(points):
                distance, denominator = divergence(reference, network.skipping(inputs, point)[:count])
                distances[place] += float(distance)
            scale += float(denominator)
        done(number)
    *shared, scale = np.frombuffer(group.from_first(np.array([*distances, scale]).tobytes())).tolist()
    distances = np.array(shared)
    if not (np.isfinite(distances).all() and math.isfinite(scale)):
        raise RefiningError("the network's output has NaN or infinite values")
    scale = scale or 1.0  # an output of zeros
    return np.maximum(distances / scale, _TINY), scale / sum(batch.size for batch in samples)
