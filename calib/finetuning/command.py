"""finetune: reads a converted model and data, writes the model with weights that suit its predictors."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import onnx
import torch

from zaponnx.calib.data import open_data
from zaponnx.calib.devices import torch_device
from zaponnx.calib.finetuning.equality import check_equal
from zaponnx.calib.finetuning.losses import LOSSES, distillation_loss, labels_loss
from zaponnx.calib.finetuning.passes import Passes
from zaponnx.calib.finetuning.report import FinetuneReport
from zaponnx.calib.finetuning.statistics import reestimate_statistics
from zaponnx.calib.finetuning.torch_model import TorchModel, import_model
from zaponnx.calib.finetuning.training import Descent, train
from zaponnx.calib.finetuning.writing import put_weights, record
from zaponnx.calib.paper.points import PaperPoint, paper_point
from zaponnx.errors import InvalidArgument, ModelError, RuntimeUnavailable, on_behalf_of
from zaponnx.files import files_of_data
from zaponnx.graph.converted import zap_convs
from zaponnx.models import check_model_output, external_files, first_line, load_model, model_sha256, staged_model
from zaponnx.progress import Progress, silent
from zaponnx.providers import Provider, gpu_of
from zaponnx.stripping import back_to_dense

DEFAULTS = Descent(epochs=5, lr=1e-3, weight_decay=1e-4, momentum=0.9, averaged=True)
"""How to train if nothing is said."""

_BATCH_SIZE = 64
_COMPARED = 4  # samples that torch and ONNX Runtime are compared on


@on_behalf_of("finetune")
def finetune(
    model: Path | str,
    data: str,
    output: Path | str,
    *,
    preset: str | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    momentum: float = DEFAULTS.momentum,
    batch_size: int | None = None,
    loss: str | None = None,
    reestimate: bool = True,
    samples: int | None = None,
    preprocess: str | None = None,
    workers: int = 0,
    split: str = "train",
    device: str | None = None,
    providers: Sequence[Provider] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> FinetuneReport:
    """Trains a converted model's weights while its predictors decide what is computed.

    The predictors, their thresholds and all else stay as they are, to the byte; so `strip` and `retune` work on the
    result, and `retune` goes by the curves of the calibration, which was made with the old weights.

    First the statistics that normalise the network are re-estimated (see `zaponnx.calib.finetuning.statistics`), then
    the weights of convolutions, dense layers and batch norms are trained by stochastic gradient descent, and their mean
    over its steps is the result. Torch and ONNX Runtime are compared before and after.

    Args:
        model: What `convert` or `retune` wrote.
        data: A data SPEC, see `zaponnx.calib.data`; best the data that the network was trained on. Samples come in
            another random order in every epoch, of data other than images within stretches of 512 MiB.
        output: The file to write.
        preset: The published learning rate, weight decay and batch size, and one epoch, without averaging:
            "paper:resnet18-D", see `zaponnx.calib.paper.points`.
        epochs: Passes over the data; 0 re-estimates statistics only. 5 if neither this nor a preset is given.
        lr: Learning rate; likewise 0.001.
        weight_decay: Likewise 0.0001.
        momentum: Of the descent.
        batch_size: Samples per step, unless the model prescribes its batch; likewise 64.
        loss: "labels", cross-entropy with the labels, or "distill", divergence from the dense network's outputs;
            "labels" if None and the data have labels.
        reestimate: Whether that is done first.
        samples: Use at most so many samples.
        preprocess: Normalisation of images, as in `calibrate`.
        workers: Processes that decode images, likewise.
        split: Of the data, if they have splits.
        device: Torch's device, as "cpu" or "cuda"; if None, that of `providers`.
        providers: ONNX Runtime's, as in `calibrate`: torch trains on the GPU of the first one, on the CPU if that has
            none. Torch and ONNX Runtime are compared on the CPU, whose arithmetic both have in common.
        seed: Of the samples' order.
        progress: Told about samples done, per pass.

    Raises:
        InvalidArgument: An argument is unknown or out of range, or the output cannot be written or is an input.
        ModelError: The model is not converted or has no ZapConv, cannot be imported into torch, is not equal there, or
            is no classifier.
        ArtifactError: What the model carries is damaged.
        DataError: The data cannot be read or do not suit the model, or training diverges.
        OutputError: The system does not let the file be written.
        RuntimeUnavailable: Something that it needs is not installed, or there is no such device.
    """
    model, output = Path(model), Path(output)
    if loss not in (None, *LOSSES):
        raise InvalidArgument("finetune", f"unknown loss '{loss}'", remedy=f"use {' or '.join(LOSSES)}")
    point = None if preset is None else paper_point(preset)
    descent = _descent(point, epochs, lr, weight_decay, momentum)
    if batch_size is None:
        batch_size = _BATCH_SIZE if point is None else point.batch_size
    external = external_files(model, "finetune")
    check_model_output(output, "finetune", [model, *external, *files_of_data(data)])
    proto = load_model(model, "finetune")
    source = open_data(
        data,
        proto,
        split=split,
        samples=samples,
        batch_size=batch_size,
        preprocess=preprocess,
        seed=seed,
        workers=workers,
    )
    module = _trainable(proto, str(model))
    module.module.to(_device(device, providers))
    first = next(iter(source))
    compared = first.inputs if source.fixed_batch else first.take(slice(_COMPARED)).inputs
    before = check_equal(proto, module, compared, str(model))
    loss = loss or ("distill" if first.labels is None else "labels")
    minimized = labels_loss(proto) if loss == "labels" else distillation_loss(proto, _dense(module))
    if descent.epochs:
        with torch.inference_mode():  # what is no classifier, and labels that are none of its, are refused at once
            minimized(module(first.inputs), first)
    passes = Passes(source, descent.epochs, seed, progress)
    reestimated = reestimate_statistics(module, passes.statistics) if reestimate else 0
    losses = train(module, minimized, descent, passes.epoch)
    put_weights(proto, module.weights)
    settings = {"data": data, "split": source.split, "samples": passes.samples, "batch_size": source.batch_size}
    settings |= {"loss": loss, **asdict(descent), "reestimated": reestimated, "seed": seed}
    record(proto, {"model_sha256": model_sha256(model, "finetune"), **settings})
    with staged_model(proto, output, "finetune", external_data=bool(external)) as staged:
        after = check_equal(load_model(staged, "finetune"), module, compared, str(output))
    return FinetuneReport(
        model=model,
        output=output,
        data=data,
        split=source.split,
        samples=passes.samples,
        batch_size=source.batch_size,
        loss=loss,
        descent=descent,
        losses=tuple(losses),
        reestimated=reestimated,
        weights=len(module.weights),
        difference=max(before, after),
    )


def _descent(
    point: PaperPoint | None, epochs: int | None, lr: float | None, weight_decay: float | None, momentum: float
) -> Descent:
    """What is asked for, and of a published point or the defaults what is not."""
    base = DEFAULTS if point is None else Descent(1, point.lr, point.weight_decay, momentum, averaged=False)
    asked: dict[str, Any] = {"epochs": epochs, "lr": lr, "weight_decay": weight_decay, "momentum": momentum}
    return replace(base, **{name: value for name, value in asked.items() if value is not None})


def _trainable(model: onnx.ModelProto, where: str) -> TorchModel:
    """A converted model in torch; its weights are those that its dense model has.

    A bias that `convert` added would be lost with `strip`, and so it stays zero.
    """
    dense = onnx.ModelProto()
    dense.CopyFrom(model)
    back_to_dense(dense, where)
    if not zap_convs(model):
        raise ModelError("finetune", "it has no ZapConv", where=where, remedy="convert it at a larger budget")
    known = {tensor.name for tensor in dense.graph.initializer}
    module = import_model(model, where)
    return replace(module, weights={name: weight for name, weight in module.weights.items() if name in known})


def _dense(model: TorchModel) -> TorchModel:
    """A copy that computes everything, with the weights of now."""
    dense = replace(model, module=copy.deepcopy(model.module), weights={})
    dense.predict(active=False)
    return dense


def _device(name: str | None, providers: Sequence[Provider] | None) -> torch.device:
    """The device of a name or, without one, of providers; a GPU that torch does not have is an error."""
    if name is None:
        missing = gpu_of(providers) is not None and not torch.cuda.is_available()
        name = "cuda" if missing else str(torch_device(providers))
    elif providers is not None:
        problem = "a device and providers are both given"
        raise InvalidArgument("finetune", problem, remedy="give one of them: providers name torch's device, too")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        remedy = "use cpu, or install torch and a driver for it"
        raise RuntimeUnavailable(
            "finetune", f"there is no device '{name}' ({first_line(error)})", remedy=remedy
        ) from error
    return device
