"""What thresholds are expected to save and cost in each layer: reads hulls or curves, gives both for many points."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zaponnx.artifacts import Calibration, Fit
from zaponnx.calib.curves import Curve, Doubles, layer_curve
from zaponnx.calib.hulls import Hull, hulls


@dataclass(frozen=True, eq=False)
class SiteEffects:
    """A site at P choices of its thresholds, as measured in calibration.

    Attributes:
        error: float64 (P,), the share of the sum of its outputs that is lost.
        saved: float64 (P,), the share of its MACs that is skipped, gross of its predictor.
    """

    error: Doubles
    saved: Doubles


class Expectations:
    """What calibration lets expect of any thresholds.

    Args:
        fit: The fit whose points are to be followed.
        calibration: The calibration, with histograms unless `carried` are given.
        carried: The hulls that a converted model carries; None makes them of the calibration.

    Thresholds of the exact method are corners of hulls, where these are the measured curves. Those that others chose
    lie between the corners and need the curves themselves, of the layers.
    """

    def __init__(self, fit: Fit, calibration: Calibration, carried: Sequence[Hull] | None) -> None:
        self._sites: dict[str, Hull | Curve] = {}
        if fit.method == "exact":
            found = hulls(calibration, fit.granularity, fit.block) if carried is None else carried
            self._sites = {hull.site: hull for hull in found}
        elif carried is None:
            self._sites = {site.output: layer_curve(site, calibration.edges) for site in calibration.sites}

    @property
    def known(self) -> bool:
        """Whether anything is known: not of a model without its calibration that has another method's thresholds."""
        return bool(self._sites)

    def effects(self, site: str, thresholds: Sequence[Sequence[float]]) -> SiteEffects:
        """A site's error and saving.

        Args:
            site: Its output.
            thresholds: One or one per channel, for each of the P choices.
        """
        source = self._sites[site]
        if isinstance(source, Curve):
            pairs = np.array([source.at(values[0]) for values in thresholds], np.float64).reshape(-1, 2)
            error, saved = pairs[:, 0], pairs[:, 1]
        else:
            error, saved = _at_corners(source, thresholds)
        return SiteEffects(error, saved / source.macs)


def _at_corners(hull: Hull, thresholds: Sequence[Sequence[float]]) -> tuple[Doubles, Doubles]:
    """Sums over a hull's rows, each at its last corner that is not above its threshold; nothing below the first."""
    wide = [np.broadcast_to(np.asarray(values, np.float32), hull.size) for values in thresholds]
    chosen = np.array(wide, np.float32).reshape(-1, hull.size)
    error, saved = np.zeros(len(chosen)), np.zeros(len(chosen))
    starts = np.searchsorted(hull.rows, np.arange(hull.size + 1))
    for row, (start, end) in enumerate(itertools.pairwise(starts)):
        corners = np.searchsorted(hull.thresholds[start:end], chosen[:, row], side="right")
        for total, values in ((error, hull.error), (saved, hull.saved)):
            total += np.concatenate([[0.0], values[start:end]])[corners]
    return error, saved
