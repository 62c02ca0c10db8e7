"""Histograms of predicted values: reads outputs and their predictions, accumulates what the curves are made of.

Both curves are sums over outputs, so the number of outputs and the sum of their true values per bin of predicted value
give them exactly at every bin edge. So do the numbers of outputs by the magnitude of their true value, zero among them,
for the rates of true and false zeros. A block of outputs is skipped where its largest predicted value is, so that a
histogram of these, too, gives at every bin edge what whole blocks save.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zaponnx.artifacts import BLOCKS, LARGER_BLOCKS, MAGNITUDES, Floats, Predictor, SiteCalibration
from zaponnx.calib.devices import CPU
from zaponnx.calib.distributed import ALONE, ProcessGroup
from zaponnx.calib.predictors import pattern_mask, predict
from zaponnx.graph.site import Site
from zaponnx.patterns import Pattern


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
        group: The processes that share the samples; each counts its own.
        device: Where to count. On a GPU the values' sums are rounded in another order every time.
    """

    def __init__(self, site: Site, edges: Floats, group: ProcessGroup = ALONE, device: torch.device = CPU) -> None:
        self._site = site
        self._group = group
        self._edges = torch.from_numpy(edges).to(device)
        self._bins = len(edges) + 1
        self._counts = torch.zeros(site.channels * self._bins, dtype=torch.int64, device=device)
        self._values = torch.zeros(site.channels * self._bins, dtype=torch.float64, device=device)
        self._magnitudes = torch.zeros(MAGNITUDES * self._bins, dtype=torch.int64, device=device)
        self._blocks = torch.zeros(len(LARGER_BLOCKS) * self._bins, dtype=torch.int64, device=device)
        self._total_value = torch.zeros((), dtype=torch.float64, device=device)
        self._outputs = torch.zeros((), dtype=torch.int64, device=device)
        self._samples = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, output: Tensor, predictions: Tensor, mask: Tensor) -> None:
        """Counts a batch.

        Args:
            output: The site's post-ReLU outputs, float32 (N, M, H, W).
            predictions: Their predicted values V, of the same shape.
            mask: The pattern over the map, bool (H, W).
        """
        self._samples += len(output)
        self._outputs += output.numel()
        self._total_value += output.sum(dtype=torch.float64)
        predicted = predictions[:, :, ~mask].contiguous()
        bins = torch.bucketize(predicted, self._edges)  # edges[j-1] < V <= edges[j]; NaN is above all edges
        true = output[:, :, ~mask].contiguous()
        classed = (magnitude_classes(true) * self._bins + bins).flatten()
        self._magnitudes += torch.bincount(classed, minlength=len(self._magnitudes))
        bins += (torch.arange(self._site.channels, device=bins.device) * self._bins)[:, None]
        flat = bins.flatten()
        self._counts += torch.bincount(flat, minlength=len(self._counts))
        self._values += torch.bincount(flat, true.flatten().double(), minlength=len(self._values))
        self._add_blocks(predictions, mask)

    def _add_blocks(self, predictions: Tensor, mask: Tensor) -> None:
        """Counts the outputs outside the pattern by the largest predicted value there in their block."""
        values = predictions.masked_fill(mask, -math.inf)
        outputs = (~mask).expand(1, *predictions.shape[1:]).double()
        for index, (smaller, larger) in enumerate(itertools.pairwise(BLOCKS.values())):
            channels, rows, columns = (many // few for few, many in zip(smaller, larger, strict=True))
            values = blocks(values, (channels, rows, columns), -math.inf).amax((2, 4, 6))
            outputs = blocks(outputs, (channels, rows, columns), 0).sum((2, 4, 6))
            bins = torch.bucketize(values, self._edges).flatten()
            counts = torch.bincount(bins, outputs.expand_as(values).flatten(), minlength=self._bins)
            self._blocks[index * self._bins : (index + 1) * self._bins] += counts.long()

    def state_dict(self) -> dict[str, Tensor]:
        """What all processes have counted, by rank; to be called by all."""
        return {name: self._group.gather(tensor) for name, tensor in self._tensors().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Goes on from what `state_dict` gave in as many processes."""
        for name, tensor in self._tensors().items():
            tensor.copy_(state[name][self._group.rank])

    def _tensors(self) -> dict[str, Tensor]:
        return {
            "counts": self._counts,
            "values": self._values,
            "magnitudes": self._magnitudes,
            "blocks": self._blocks,
            "total_value": self._total_value,
            "outputs": self._outputs,
            "samples": self._samples,
        }

    def result(self, predictor: Predictor) -> SiteCalibration:
        """What all processes counted, with the predictor that made the predictions; to be called by all."""
        shape = (self._site.channels, self._bins)
        total = {name: self._group.sum(tensor).cpu() for name, tensor in self._tensors().items()}
        return SiteCalibration(
            name=self._site.name,
            output=self._site.output,
            channels=self._site.channels,
            macs_per_output=self._site.macs_per_output,
            predictor=predictor,
            counts=total["counts"].numpy().reshape(shape),
            values=total["values"].numpy().reshape(shape),
            total_value=float(total["total_value"]),
            outputs=int(total["outputs"]),
            samples=int(total["samples"]),
            magnitudes=total["magnitudes"].numpy().reshape(MAGNITUDES, self._bins),
            blocks=total["blocks"].numpy().reshape(len(LARGER_BLOCKS), self._bins),
        )


class Histograms:
    """The histograms of all sites.

    Args:
        sites: The sites.
        pattern: The computation pattern.
        group: The processes that share the samples.
        device: Where to predict and count.
    """

    def __init__(
        self, sites: Sequence[Site], pattern: Pattern, group: ProcessGroup = ALONE, device: torch.device = CPU
    ) -> None:
        self._histograms = [SiteHistogram(site, bin_edges(), group, device) for site in sites]
        self._pattern = pattern
        self._device = device

    def add(self, outputs: Sequence[Tensor], predictors: Sequence[Predictor]) -> None:
        """Counts the sites' outputs, float32 (N, M, H, W) each, by what their predictors predict."""
        for histogram, output, predictor in zip(self._histograms, outputs, predictors, strict=True):
            output = output.to(self._device)
            mask = pattern_mask(self._pattern, output)
            histogram.add(output, predict(predictor, output, mask), mask)

    def state_dict(self) -> dict[str, Any]:
        """As a SiteHistogram's, by the position of the site."""
        return {str(index): histogram.state_dict() for index, histogram in enumerate(self._histograms)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As a SiteHistogram's."""
        for index, histogram in enumerate(self._histograms):
            histogram.load_state_dict(state[str(index)])

    def result(self, predictors: Sequence[Predictor]) -> tuple[SiteCalibration, ...]:
        """What was counted, site by site; to be called by all processes."""
        pairs = zip(self._histograms, predictors, strict=True)
        return tuple(histogram.result(predictor) for histogram, predictor in pairs)


def blocks(values: Tensor, block: tuple[int, int, int], filling: float) -> Tensor:
    """Values (N, M, H, W) in blocks (N, M', m, H', h, W', w) of channels, rows, columns; what is beyond is filled."""
    rest = [(0, -extent % size) for extent, size in zip(values.shape[1:], block, strict=True)]
    filled = functional.pad(values, [each for pair in reversed(rest) for each in pair], value=filling)
    sizes = [each for extent, size in zip(filled.shape[1:], block, strict=True) for each in (extent // size, size)]
    return filled.reshape(len(values), *sizes)


def magnitude_classes(values: Tensor) -> Tensor:
    """The class of each value, float32 and not negative, int32: 0 for zero, else by powers of two, see `MAGNITUDES`."""
    exponents = torch.frexp(values).exponent  # 2^(exponent-1) <= value < 2^exponent
    return torch.where(values > 0, (exponents + 16).clamp(1, MAGNITUDES - 1), 0)
