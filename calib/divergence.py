"""How far a model's outputs are from others: reads two outputs, gives a distance from 0 that needs no labels.

It is the Kullback-Leibler divergence of the classes' probabilities where the outputs are scores (N, classes), else the
relative squared distance.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-12  # no probability is smaller


def divergence(reference: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """The divergence of a batch as a fraction: numerators, and denominators, of several batches add up.

    Args:
        reference: The outputs to compare with, (N, ...).
        outputs: The model's, of the same shape; gradients flow to them.
    """
    if reference.ndim == 2 and reference.shape[1] > 1:
        probabilities = _are_probabilities(reference)
        first, second = (_log_probabilities(each, probabilities) for each in (reference, outputs))
        return (first.exp() * (first - second)).sum(), torch.tensor(float(len(reference)))
    return (outputs - reference).square().sum(), reference.square().sum()


def _are_probabilities(scores: Tensor) -> bool:
    """Whether scores are probabilities already, and none that softmax makes them of."""
    return bool((scores >= 0).all() and ((scores.sum(1) - 1).abs() <= 1e-3).all())


def _log_probabilities(scores: Tensor, probabilities: bool) -> Tensor:
    return scores.clamp(min=_TINY).log() if probabilities else functional.log_softmax(scores, dim=1)
