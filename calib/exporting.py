"""export: reads a PyTorch network, writes it as ONNX."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from zaponnx.calib.data.presets import WEIGHTS_KEY
from zaponnx.calib.digits_network import INPUT_SHAPE, digits_accuracy
from zaponnx.calib.export_verification import forward, verify_export
from zaponnx.calib.networks import build_network, torchvision_weights
from zaponnx.errors import InvalidArgument, ModelError
from zaponnx.graph.upgrading import opset_version
from zaponnx.models import check_model_output, first_line, staged_model
from zaponnx.progress import Progress, silent

DEFAULT_OPSET = 18
_OLDEST_OPSET = 18  # torch's exporter writes nothing older
_IMAGENET_SHAPE = (1, 3, 224, 224)


@dataclass(frozen=True)
class ExportReport:
    """What export wrote.

    Attributes:
        source: The SOURCE.
        output: The ONNX file.
        opset: Its version of the ONNX operators.
        input_shape: The shape it was exported with; the first dim is dynamic unless a static batch was asked for.
        parameters: Number of weights.
        max_difference: Largest difference between ONNX Runtime's and torch's outputs, relative to the largest output.
        top1: Accuracy on the digits' test split, 0 to 1; None for other sources.
    """

    source: str
    output: Path
    opset: int
    input_shape: tuple[int, ...]
    parameters: int
    max_difference: float
    top1: float | None

    def to_json(self) -> dict[str, Any]:
        """The attributes, ready for json."""
        return {**asdict(self), "output": str(self.output), "input_shape": list(self.input_shape)}


def export(
    source: str,
    output: Path | str,
    *,
    weights: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    opset: int | None = None,
    static_batch: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> ExportReport:
    """Exports a network and compares the file with it.

    Args:
        source: "digits" (trained on the spot), the name of a torchvision model, or "package.module:factory" with a
            callable that returns a torch.nn.Module; modules are also looked for in the current directory.
        output: The ONNX file, written only if the comparison succeeds.
        weights: A file with a state dict, or "DEFAULT" for torchvision's own; random weights if None.
        input_shape: Of the network's only input, (N, ...); (1, 3, 224, 224) if None, fixed for the digits.
        opset: Version of the ONNX operators, 18 or later.
        static_batch: Whether the batch size is fixed to N.
        seed: Of random weights and of the training on digits.
        progress: Told about the training.

    Raises:
        InvalidArgument: An unknown source, option or path.
        ModelError: The network cannot be built or exported, or its file gives other outputs.
        OutputError: The system does not let the file be written.
        RuntimeUnavailable: torchvision, ONNX Runtime or the network for a download is missing.
    """
    output = Path(output)
    if opset is not None and not _OLDEST_OPSET <= opset <= onnx.defs.onnx_opset_version():
        legal = f"from {_OLDEST_OPSET} to {onnx.defs.onnx_opset_version()}"
        raise InvalidArgument("export", f"cannot write opset {opset}", remedy=f"use one {legal}")
    if input_shape is not None and (len(input_shape) < 2 or min(input_shape) < 1):
        raise InvalidArgument("export", f"input shape {list(input_shape)} is not a batch", remedy="use 1,3,224,224")
    check_model_output(output, "export", [Path(weights)] if weights else [])
    if source == "digits" and input_shape not in (None, INPUT_SHAPE):
        raise InvalidArgument("export", f"the digits network takes {list(INPUT_SHAPE)} only")
    shape = input_shape or (INPUT_SHAPE if source == "digits" else _IMAGENET_SHAPE)
    network = build_network(source, weights=weights, seed=seed, progress=progress)
    model = _traced(network, shape, opset or DEFAULT_OPSET, static_batch, source)
    if name := torchvision_weights(source, weights):
        model.metadata_props.add(key=WEIGHTS_KEY, value=name)
    with staged_model(model, output, "export") as staged:
        difference = verify_export(staged, network, shape if static_batch else (shape[0] + 1, *shape[1:]), source)
    return ExportReport(
        source=source,
        output=output,
        opset=opset_version(model, "export"),
        input_shape=shape,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        max_difference=difference,
        top1=digits_accuracy(network) if source == "digits" else None,
    )


def _traced(network: nn.Module, shape: tuple[int, ...], opset: int, static_batch: bool, source: str) -> onnx.ModelProto:
    """The network as ONNX, batch norms folded, with input "input" and, if there is only one, output "output"."""
    sample = torch.zeros(shape)
    outputs = forward(network, sample, source)
    batch = None if static_batch else ({0: torch.export.Dim("batch")},)
    try:
        with quiet_torch():
            program = torch.onnx.export(
                network,
                (sample,),
                input_names=["input"],
                output_names=["output"] if len(outputs) == 1 else None,
                opset_version=opset,
                dynamic_shapes=batch,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises errors of many kinds, and the network any
        problem = f"torch cannot export the network ({first_line(_root_cause(error))})"
        raise ModelError("export", problem, where=source) from error
    assert program is not None
    model = program.model_proto
    _tidy(model)
    return model


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Silences torch's deprecation warnings and its logging of failures, which also arrive as exceptions."""
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _root_cause(error: Exception) -> Exception:
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def _tidy(model: onnx.ModelProto) -> None:
    """Names nodes with weights after their torch modules, and drops the exporter's notes, which hold local paths."""
    used: set[str] = set()
    for node in model.graph.node:
        del node.metadata_props[:]
        weight = next((name for name in node.input[1:2] if name.endswith(".weight")), "")
        module = weight.removesuffix(".weight")
        if module and module not in used:
            used.add(module)
            node.name = module
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:], model.metadata_props[:]
