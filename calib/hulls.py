"""The thresholds that can be optimal: reads a site's curves, gives the corners of their upper concave hulls.

Wherever error is traded for saved MACs at a fixed rate, the best threshold is a corner of the hull of (error, saved).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zaponnx.artifacts import SINGLE, Calibration, Floats
from zaponnx.calib.curves import Curve, channel_curve, layer_curve


@dataclass(frozen=True, eq=False)
class Hull:
    """The corners of a site's R hulls, one after the other, each from its best threshold without error on.

    Attributes:
        site: The site's output.
        macs: The site's dense MACs per sample.
        weight: As in `zaponnx.artifacts.SiteCalibration`.
        rows: int32 (C,), ascending, 0 to R−1: which of the hulls the corner is of.
        thresholds: float32 (C,); −∞ and +∞ are possible.
        error, saved: float32 (C,), both ascending within a hull; the first error is 0.

    Raises:
        ValueError: The arrays are not of that kind.
    """

    site: str
    macs: float
    weight: float
    rows: npt.NDArray[np.int32]
    thresholds: Floats
    error: Floats
    saved: Floats

    def __post_init__(self) -> None:
        numbers = (self.thresholds, self.error, self.saved)
        if self.rows.dtype != np.int32 or any(array.dtype != np.float32 for array in numbers):
            raise ValueError("a hull's arrays have other types")
        if not self.rows.size or self.rows.ndim != 1 or any(array.shape != self.rows.shape for array in numbers):
            raise ValueError("a hull's arrays have other shapes")
        step = np.diff(self.rows, prepend=-1)
        rises = [(np.diff(array, prepend=-np.inf) > 0) | (step == 1) for array in (self.error, self.saved)]
        if not (np.isin(step, (0, 1)).all() and step[0] == 1 and np.all(rises) and not self.error[step == 1].any()):
            raise ValueError("a hull's corners are not in their order")
        if np.isnan(self.thresholds).any() or not np.isfinite(self.error + self.saved).all() or self.saved.min() < 0:
            raise ValueError("a hull's corners are no numbers")

    @property
    def size(self) -> int:
        """R, the number of thresholds of the site."""
        return int(self.rows[-1]) + 1


def hulls(calibration: Calibration, granularity: str, block: str = SINGLE) -> list[Hull]:
    """The hulls of all sites, per channel or per layer; a block of several channels has one threshold for them all."""
    edges = calibration.edges
    return [
        hull(channel_curve(site, edges) if granularity == "channel" else layer_curve(site, edges, block), site.weight)
        for site in calibration.sites
    ]


def hull(curve: Curve, weight: float = 1.0) -> Hull:
    """The corners of a site's hulls."""
    # Rounded first, so that a corner's numbers differ from those of the one before it.
    error, saved = (array.astype(np.float32) for array in (curve.error, curve.saved))
    # No threshold that saves no more than a lower one, nor one whose error a higher one has, too.
    kept = np.diff(saved, axis=1, prepend=-1) > 0
    rows, columns = np.nonzero(kept)
    error, saved = error[kept], saved[kept]
    last = np.diff(rows, append=len(curve.error)) > 0
    corners = np.flatnonzero(last | (np.diff(error, append=0) > 0))
    while (below := _below(rows[corners], error[corners], saved[corners])).any():
        corners = np.delete(corners, np.flatnonzero(below) + 1)
    return Hull(
        site=curve.site,
        macs=curve.macs,
        weight=weight,
        rows=rows[corners].astype(np.int32),
        thresholds=curve.thresholds[columns[corners]].astype(np.float32),
        error=error[corners],
        saved=saved[corners],
    )


def _below(rows: npt.NDArray[np.intp], error: Floats, saved: Floats) -> npt.NDArray[np.bool_]:
    """Which points, all but the first and the last, are below the line between their neighbours in the row.

    None of these is a corner, also if a neighbour is none either. Points on the line stay, as smaller steps.
    """
    x, y = error.astype(np.float64), saved.astype(np.float64)
    on_line = (y[2:] - y[:-2]) * (x[1:-1] - x[:-2])
    below: npt.NDArray[np.bool_] = ((y[1:-1] - y[:-2]) * (x[2:] - x[:-2]) < on_line) & (rows[:-2] == rows[2:])
    return below
