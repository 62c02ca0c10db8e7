"""What a site's outputs are worth: reads a calibration, gives the price of an output in every bin of predicted values.

Refined predictors order outputs by what skipping them does to the network's output, no longer by their value. So the
sum of the values that a threshold loses says little about what it costs. The threshold itself says it: the predictors
were refined at the optima of the calibration before, and a slope of that calibration's hulls is the price at which its
path computes an output. Refined predictors' outputs keep the price of their bin. So the path of thresholds on which
they were trained remains the optimum, while the counts, and with them what is saved, are measured anew.
"""

from __future__ import annotations

import numpy as np

from zaponnx.artifacts import Floats, SiteCalibration
from zaponnx.calib.curves import Doubles, channel_curve
from zaponnx.calib.hulls import hull


def worths(site: SiteCalibration, edges: Floats) -> Doubles:
    """Of an output in each bin, in units of its value: float64 (M, B+1), not falling along the bins.

    A bin's is the slope of its channel's hull, error by outputs, on the way to the corner that skips it; 0 where the
    first corner does.

    Args:
        site: A site, measured with the predictors before they are refined.
        edges: Of its histograms.
    """
    corners = hull(channel_curve(site, edges))
    lowest = np.append(edges.astype(np.float64), np.inf)  # the lowest threshold that skips the bin
    prices = np.zeros((site.channels, len(edges) + 1))
    for channel in range(site.channels):
        mine = corners.rows == channel
        thresholds, error, saved = (
            array[mine].astype(np.float64) for array in (corners.thresholds, corners.error, corners.saved)
        )
        # In float32 neighbouring slopes may be out of order by rounding.
        slopes = np.maximum.accumulate(np.append(0.0, np.diff(error) / np.diff(saved)))
        prices[channel] = slopes[np.minimum(np.searchsorted(thresholds, lowest), len(thresholds) - 1)]
    # From error per MAC and sample to value per output.
    return prices * (site.total_value * site.macs / site.outputs)
