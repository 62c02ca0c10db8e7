"""The curves of a site as functions of its thresholds: reads histograms, gives error and saved MACs.

    error(T) = 1 − Σ kept outputs / Σ outputs           sums of the post-ReLU values
    MAC(T)   = the site's MACs × share of outputs that are computed

as in ECCV 2020, for each site alone. Both are sums over the site's channels, which may have a threshold each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zaponnx.artifacts import LARGER_BLOCKS, SINGLE, Floats, SiteCalibration

Doubles = npt.NDArray[np.float64]

_CHANNEL_STEP = 4  # of the edges: a channel's candidate thresholds are so many times fewer than a site's
_PRIOR_OUTPUTS = 10  # that a channel's bin is thought to have, with the mean value of the site's bin


@dataclass(frozen=True)
class Curve:
    """A site's measured curves, for R thresholds: one for the site, R = 1, or one for each of its channels.

    Attributes:
        site: The site's output tensor, which identifies it.
        name: The site's name, for people.
        thresholds: float64 (K,), ascending: −∞, edges of the histogram, +∞.
        error: What each of the R parts adds to error(T) at these, (R, K), from 0, non-decreasing.
        saved: MACs that each part skips per sample at these, (R, K), from 0, non-decreasing.
        macs: The site's dense MACs per sample.
    """

    site: str
    name: str
    thresholds: Doubles
    error: Doubles
    saved: Doubles
    macs: float

    def at(self, threshold: float) -> tuple[float, float]:
        """(error, saved) with the highest measured threshold that is not above `threshold`, rounded to float32."""
        index = int(np.searchsorted(self.thresholds, np.float32(threshold), side="right")) - 1
        return float(self.error[:, index].sum()), float(self.saved[:, index].sum())


def layer_curve(site: SiteCalibration, edges: Floats, block: str = SINGLE) -> Curve:
    """The curves with one threshold for all of the site's channels.

    Args:
        site: The site, whose blocks were measured unless `block` is a single output.
        edges: Of its histograms.
        block: Of BLOCKS: an output counts as saved where all of its block can be skipped. What is lost does not depend
            on it, since an output that is predicted to be zero is zero, whatever was computed beside it.
    """
    if block == SINGLE:
        counts = site.counts.sum(axis=0)
    else:
        assert site.blocks is not None
        counts = site.blocks[LARGER_BLOCKS.index(block)]
    return _curve(site, edges, counts[None], site.values.sum(axis=0, keepdims=True))


def channel_curve(site: SiteCalibration, edges: Floats) -> Curve:
    """The curves with one threshold for each channel.

    Outputs of refined predictors lose what they are worth, see `zaponnx.calib.worths`, others their values. Where a
    channel's bin has few outputs, these are drawn towards the mean of the site's bin: else the optimum prefers channels
    that lose little by chance. Every fourth edge is a candidate, which is fine enough.
    """
    lost = _shrunk(site) if site.worths is None else site.counts * site.worths
    starts = np.arange(0, len(edges), _CHANNEL_STEP)
    # A bin per candidate with all up to it; the last one with all above the last candidate.
    firsts = np.concatenate([[0], starts + 1])
    return _curve(
        site, edges[starts], np.add.reduceat(site.counts, firsts, axis=1), np.add.reduceat(lost, firsts, axis=1)
    )


def _shrunk(site: SiteCalibration) -> Doubles:
    """The values per channel and bin, drawn towards the site's mean."""
    counts, values = site.counts.sum(axis=0), site.values.sum(axis=0)
    mean = np.divide(values, counts, out=np.zeros_like(values), where=counts > 0)
    shrunk: Doubles = site.counts * (site.values + _PRIOR_OUTPUTS * mean) / (site.counts + _PRIOR_OUTPUTS)
    return shrunk


def _curve(site: SiteCalibration, edges: Floats, counts: npt.NDArray[np.int64], values: Doubles) -> Curve:
    """The curves from histograms (R, B+1)."""
    # A site that is zero everywhere loses nothing.
    lost = np.cumsum(values, axis=1) / (site.total_value or 1.0)
    skipped = np.cumsum(counts, axis=1) * (site.macs / site.outputs)
    return Curve(
        site=site.output,
        name=site.name,
        thresholds=np.concatenate([[-np.inf], edges.astype(np.float64), [np.inf]]),
        error=np.pad(lost, ((0, 0), (1, 0))),
        saved=np.pad(skipped, ((0, 0), (1, 0))),
        macs=site.macs,
    )
