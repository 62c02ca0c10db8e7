"""What fine-tuning minimises: the cross-entropy with the labels, or the distance from the dense network's outputs."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import torch
from torch import Tensor
from torch.nn import functional

from zaponnx.calib.data import Batch
from zaponnx.calib.finetuning.torch_model import TorchModel
from zaponnx.errors import DataError, ModelError

LOSSES = ("labels", "distill")

_TINY = 1e-12  # no probability is smaller

Loss = Callable[[Tensor, Batch], Tensor]
"""The mean loss of the model's scores (N, classes) for a batch."""


def labels_loss(model: onnx.ModelProto) -> Loss:
    """The cross-entropy with the labels.

    Args:
        model: The model: whether its scores are probabilities already.
    """
    to_logits = _to_logits(model)

    def loss(scores: Tensor, batch: Batch) -> Tensor:
        if batch.labels is None:
            remedy = "give data with labels, or use --loss distill"
            raise DataError("finetune", "the data have no labels", remedy=remedy)
        logits = to_logits(scores)
        labels = torch.from_numpy(batch.labels)
        if int(labels.min()) < 0 or int(labels.max()) >= logits.shape[1]:
            wrong = int(labels.max() if labels.min() >= 0 else labels.min())
            raise DataError("finetune", f"label {wrong} is none of {logits.shape[1]} classes")
        return functional.cross_entropy(logits, labels.to(logits.device))

    return loss


def distillation_loss(model: onnx.ModelProto, dense: TorchModel) -> Loss:
    """The Kullback-Leibler divergence of the model's probabilities from those of the dense network.

    Args:
        model: The model: whether its scores are probabilities already.
        dense: The dense network.
    """
    to_logits = _to_logits(model)

    def loss(scores: Tensor, batch: Batch) -> Tensor:
        with torch.no_grad():
            wanted = functional.log_softmax(to_logits(dense(batch.inputs)), dim=1)
        own = functional.log_softmax(to_logits(scores), dim=1)
        return functional.kl_div(own, wanted, reduction="batchmean", log_target=True)

    return loss


def _to_logits(model: onnx.ModelProto) -> Callable[[Tensor], Tensor]:
    """Turns the model's first output into logits (N, classes)."""
    output = model.graph.output[0].name
    probabilities = any(output in node.output and node.op_type == "Softmax" for node in model.graph.node)

    def to_logits(scores: Tensor) -> Tensor:
        if scores.ndim < 2 or scores[0].numel() != scores.shape[1]:
            problem = f"its first output has shape {list(scores.shape)}, not one score per class"
            raise ModelError("finetune", problem, remedy="fine-tune classifiers only")
        flat = scores.flatten(1)
        return flat.clamp(min=_TINY).log() if probabilities else flat

    return to_logits
