"""The curves of a site as functions of its threshold: reads histograms, gives error and saved MACs.

    error(T) = 1 − Σ kept outputs / Σ outputs           sums of the post-ReLU values
    MAC(T)   = the site's MACs × share of outputs that are computed

as in ECCV 2020, for each site alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zaponnx.artifacts import Floats, OperatingPoint, SiteCalibration

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A site's measured curves.

    Attributes:
        site: The site's output tensor, which identifies it.
        name: The site's name, for people.
        thresholds: float64 (B+2,), ascending: −∞, the histogram's edges, +∞.
        error: error(T) at these, (B+2,), from 0, non-decreasing.
        saved: MACs skipped per sample at these, (B+2,), from 0, non-decreasing.
        macs: The site's dense MACs per sample.
    """

    site: str
    name: str
    thresholds: Doubles
    error: Doubles
    saved: Doubles
    macs: float

    def at(self, threshold: float) -> tuple[float, float]:
        """(error, saved) at the highest measured threshold that is not above `threshold`, rounded to float32."""
        index = int(np.searchsorted(self.thresholds, np.float32(threshold), side="right")) - 1
        return float(self.error[index]), float(self.saved[index])


def measured_curve(site: SiteCalibration, edges: Floats) -> Curve:
    """The curves with one threshold for all of the site's channels."""
    lost = np.cumsum(site.values.sum(axis=0))
    skipped = np.cumsum(site.counts.sum(axis=0))
    return Curve(
        site=site.output,
        name=site.name,
        thresholds=np.concatenate([[-np.inf], edges.astype(np.float64), [np.inf]]),
        # An output that is zero everywhere loses nothing.
        error=np.concatenate([[0.0], lost / site.total_value if site.total_value > 0 else np.zeros_like(lost)]),
        saved=np.concatenate([[0.0], skipped * (site.macs / site.outputs)]),
        macs=site.macs,
    )


def operating_point(curves: Sequence[Curve], epsilon: float, thresholds: Sequence[float]) -> OperatingPoint:
    """The operating point with one threshold per curve, and its error and saving on these."""
    measured = [curve.at(threshold) for curve, threshold in zip(curves, thresholds, strict=True)]
    return OperatingPoint(
        epsilon=epsilon,
        error=math.fsum(error for error, _ in measured),
        mac_saved=math.fsum(saved for _, saved in measured) / math.fsum(curve.macs for curve in curves),
        thresholds={curve.site: threshold for curve, threshold in zip(curves, thresholds, strict=True)},
    )
