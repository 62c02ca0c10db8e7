"""Re-estimates the statistics that normalise a network, now that its predictors are active.

A batch norm's running mean and variance become those of its inputs. Where it was folded into its convolution, the same
is done to what the convolution gives: with the mean m and variance v of a channel while everything is computed, and m'
and v' while the predictors are active,

    W ← W · √(v / v')        B ← (B − m') · √(v / v') + m

so that the next layers find what they were trained on. Both are gathered by batch norms behind the convolutions: in a
first pass over the data m and v; in a second one, in which they normalise each batch to these, m' and v'. So all
layers are re-estimated at once, each behind the others, as batch norms in training mode are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zaponnx.calib.finetuning.equality import Inputs
from zaponnx.calib.finetuning.torch_model import TorchModel
from zaponnx.errors import DataError

Pass = Callable[[str], Iterable[Inputs]]
"""Starts a pass over the model's inputs, for a step by its name."""

Norms = Mapping[nn.Conv2d, nn.BatchNorm2d]


@torch.no_grad()
def reestimate_statistics(model: TorchModel, run: Pass) -> int:
    """Re-estimates a model's batch norms, and its convolutions with a bias, as far as their tensors are its weights.

    Args:
        model: The model; changed in place.
        run: Starts a pass.

    Returns:
        How many layers were re-estimated.

    Raises:
        DataError: A layer's statistics are not finite.
    """
    places = {(weight.module, weight.name) for weight in model.weights.values()}
    modules = list(dict.fromkeys(module for module, _ in places))
    own = [each for each in modules if isinstance(each, nn.BatchNorm2d) and (each, "running_var") in places]
    folded = [each for each in modules if isinstance(each, nn.Conv2d) and {(each, "weight"), (each, "bias")} <= places]
    behind = {conv: nn.BatchNorm2d(conv.out_channels, device=conv.weight.device) for conv in folded}
    model.predict(active=False)
    _gather(model, [], behind, run("measuring the dense network"), normalized=False)
    for norm in behind.values():
        norm.weight.copy_(_deviation(norm))
        norm.bias.copy_(_mean(norm))
    model.predict(active=True)
    _gather(model, own, behind, run("re-estimating the statistics"), normalized=True)
    for conv, norm in behind.items():
        _fold(conv, norm)
    return len(own) + len(folded)


def _gather(
    model: TorchModel,
    own: Iterable[nn.BatchNorm2d],
    behind: Norms,
    batches: Iterable[Inputs],
    *,
    normalized: bool,
) -> None:
    """Makes the running statistics those of a pass: the model's own norms', and those of norms behind convolutions.

    Args:
        model: The model.
        own: Norms of the model, which normalise each batch meanwhile.
        behind: The other norms.
        batches: The pass.
        normalized: Whether the other norms normalise, too.
    """

    def hook(conv: nn.Module, _: Any, output: Tensor) -> Tensor | None:
        result: Tensor = behind[conv](output)  # type: ignore[index] # it is registered for these only
        return result if normalized else None

    norms = [*own, *behind.values()]
    momenta = [norm.momentum for norm in norms]
    handles = [conv.register_forward_hook(hook) for conv in behind]
    for norm in norms:
        norm.reset_running_stats()
        norm.train().momentum = None  # so that all batches weigh the same
    for inputs in batches:
        model(inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
        if not (_mean(norm).isfinite().all() and _deviation(norm).isfinite().all()):
            remedy = "check the data and the model for NaN and overflow"
            raise DataError("finetune", "the statistics of a layer become NaN or infinite", remedy=remedy)
    for handle in handles:
        handle.remove()


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Makes the convolution give what the norm behind it does."""
    scale = norm.weight / _deviation(norm)
    assert conv.bias is not None
    conv.weight.mul_(scale[:, None, None, None])
    conv.bias.copy_((conv.bias - _mean(norm)) * scale + norm.bias)


def _mean(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_mean is not None
    return norm.running_mean


def _deviation(norm: nn.BatchNorm2d) -> Tensor:
    """The deviation that the norm divides by."""
    assert norm.running_var is not None
    return torch.sqrt(norm.running_var + norm.eps)
