"""Where a frontier loses a given accuracy: reads points (MACs saved, top-1 lost), gives the saving between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.isotonic import isotonic_regression


def saving_at(drop: float, saved: Sequence[float], lost: Sequence[float]) -> float:
    """The saving at which `drop` is lost.

    Saving more costs more, but for the noise of a finite test set: the losses are replaced by the non-decreasing ones
    that are nearest to them, from nothing lost where nothing is saved, and interpolated linearly.

    Args:
        drop: Top-1 lost, 0 to 1.
        saved: Shares of the MACs that are saved, 0 to 1.
        lost: What is lost there.

    Returns:
        The saving; the largest one where even that loses no more.
    """
    order = np.argsort(saved)
    savings = np.concatenate([[0.0], np.asarray(saved)[order]])
    losses = np.concatenate([[0.0], isotonic_regression(np.asarray(lost, np.float64)[order], y_min=0.0)])
    above = np.flatnonzero(losses > drop)
    if not len(above):
        return float(savings[-1])
    end = above[0]
    share = (drop - losses[end - 1]) / (losses[end] - losses[end - 1])
    return float(savings[end - 1] + share * (savings[end] - savings[end - 1]))
