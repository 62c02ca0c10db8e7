"""Histograms of predicted values: reads outputs and their predictions, accumulates what the curves are made of.

Both curves are sums over outputs, so the number of outputs and the sum of their true values per bin of predicted value
give them exactly at every bin edge. So do the numbers of outputs by the magnitude of their true value, zero among them,
for the rates of true and false zeros.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zaponnx.artifacts import MAGNITUDES, Floats, Predictor, SiteCalibration
from zaponnx.graph.site import Site


def bin_edges() -> Floats:
    """The candidate thresholds: the paper's range, -1.3 to 1.3, in steps of 0.01, and ever coarser ones around it.

    Few predictions are below that range. Above it are those for large outputs, which the largest budgets give up.
    """
    below = np.array([-10, -5, -3, -2, -1.6])
    fine = np.arange(-130, 131) / 100
    above = np.geomspace(1.3, 30, 81)[1:]
    return np.concatenate([below, fine, above]).astype(np.float32)


class SiteHistogram:
    """One site's histogram, accumulated batch by batch.

    Args:
        site: The site.
        edges: Bin edges, float32 (B,), ascending.
    """

    def __init__(self, site: Site, edges: Floats) -> None:
        self._site = site
        self._edges = torch.from_numpy(edges)
        self._bins = len(edges) + 1
        self._counts = torch.zeros(site.channels * self._bins, dtype=torch.int64)
        self._values = torch.zeros(site.channels * self._bins, dtype=torch.float64)
        self._magnitudes = torch.zeros(MAGNITUDES * self._bins, dtype=torch.int64)
        self._total_value = 0.0
        self._outputs = 0
        self._samples = 0

    def add(self, output: Tensor, predictions: Tensor, mask: Tensor) -> None:
        """Counts a batch.

        Args:
            output: The site's post-ReLU outputs, float32 (N, M, H, W).
            predictions: Their predicted values V, of the same shape.
            mask: The pattern over the map, bool (H, W).
        """
        self._samples += len(output)
        self._outputs += output.numel()
        self._total_value += float(output.sum(dtype=torch.float64))
        predicted = predictions[:, :, ~mask].contiguous()
        bins = torch.bucketize(predicted, self._edges)  # edges[j-1] < V <= edges[j]; NaN is above all edges
        true = output[:, :, ~mask].contiguous()
        classed = (magnitude_classes(true) * self._bins + bins).flatten()
        self._magnitudes += torch.bincount(classed, minlength=len(self._magnitudes))
        bins += (torch.arange(self._site.channels) * self._bins)[:, None]
        flat = bins.flatten()
        self._counts += torch.bincount(flat, minlength=len(self._counts))
        self._values += torch.bincount(flat, true.flatten().double(), minlength=len(self._values))

    def result(self, predictor: Predictor) -> SiteCalibration:
        """What was counted, with the predictor that made the predictions."""
        shape = (self._site.channels, self._bins)
        return SiteCalibration(
            name=self._site.name,
            output=self._site.output,
            channels=self._site.channels,
            macs_per_output=self._site.macs_per_output,
            predictor=predictor,
            counts=self._counts.numpy().reshape(shape),
            values=self._values.numpy().reshape(shape),
            total_value=self._total_value,
            outputs=self._outputs,
            samples=self._samples,
            magnitudes=self._magnitudes.numpy().reshape(MAGNITUDES, self._bins),
        )


def magnitude_classes(values: Tensor) -> Tensor:
    """The class of each value, float32 and not negative, int32: 0 for zero, else by powers of two, see `MAGNITUDES`."""
    exponents = torch.frexp(values).exponent  # 2^(exponent-1) <= value < 2^exponent
    return torch.where(values > 0, (exponents + 16).clamp(1, MAGNITUDES - 1), 0)
