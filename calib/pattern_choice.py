"""Which pattern each site gets: reads what was measured of every site with several patterns, gives the best of each.

The best is that with which the site saves most of its MACs where it loses 0.1 of its outputs' sum: about what layers
lose where a classifier loses a percentage point of its accuracy, see docs/calibration.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zaponnx.artifacts import Floats, SiteCalibration
from zaponnx.calib.curves import channel_curve
from zaponnx.calib.exact import LagrangianPath
from zaponnx.calib.hulls import hull
from zaponnx.patterns import Pattern

_ERROR = 0.1


def with_best_patterns(
    patterns: Sequence[Pattern], measured: Sequence[Sequence[SiteCalibration]], edges: Floats
) -> tuple[SiteCalibration, ...]:
    """Every site with the best of the patterns; if several are equally good, with the first of these.

    Args:
        patterns: The patterns, the first of which is that of sites that name none.
        measured: For each of them, all sites.
        edges: The histograms' bin edges.
    """
    own = [None, *patterns[1:]]  # the first one is the calibration's
    candidates = (
        [replace(site, pattern=pattern) for pattern, site in zip(own, alternatives, strict=True)]
        for alternatives in zip(*measured, strict=True)
    )
    return tuple(max(alternatives, key=lambda site: _saved(site, edges)) for alternatives in candidates)


def _saved(site: SiteCalibration, edges: Floats) -> float:
    """The share of the site's MACs that it saves where it loses _ERROR, with the best thresholds of its channels."""
    return LagrangianPath([hull(channel_curve(site, edges))], "sum").point(_ERROR).mac_saved
