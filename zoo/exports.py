"""torchvision's networks, exported by both of torch's exporters.

`dynamo` traces with torch.export; `torchscript` is the older one, which writes older opsets. Both fold the batch norms
that follow a convolution.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from zaponnx.calib.exporting import quiet_torch
from zaponnx.calib.torchvision_compat import torchvision_models
from zaponnx.models import read_model

DYNAMO = "dynamo"
TORCHSCRIPT = "torchscript"


def exported(
    name: str, exporter: str, opset: int, size: int, seed: int, file: Path, *, dynamic_batch: bool, **keywords: Any
) -> onnx.ModelProto:
    """A network with seeded random weights.

    Args:
        name: torchvision's.
        exporter: DYNAMO or TORCHSCRIPT.
        opset: That it is to write.
        size: Of the square images that it is traced with.
        seed: Of the weights.
        file: Where to write it, the only one in its directory; the large weights stay there.
        dynamic_batch: Whether the batch is dynamic, else it is 1.
        **keywords: Of torchvision's builder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = torchvision_models().get_model(name, weights=None, **keywords)
        _scatter(network)
    sample = torch.zeros(1, 3, size, size)
    with quiet_torch():
        (_dynamo if exporter == DYNAMO else _torchscript)(network.eval(), sample, file, opset, dynamic_batch)
    return read_model(file, "coverage")


@torch.no_grad()
def _scatter(network: nn.Module) -> None:
    """Makes biases and batch norms differ, as trained ones do: the exporters merge parameters that are equal."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.weight.uniform_(0.5, 1.5)
            module.running_var.uniform_(0.5, 1.5)
            for values in (module.bias, module.running_mean):
                values.normal_(std=0.1)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            module.bias.normal_(std=0.1)


def _dynamo(network: nn.Module, sample: torch.Tensor, file: Path, opset: int, dynamic_batch: bool) -> None:
    torch.onnx.export(
        network,
        (sample,),
        file,
        input_names=["input"],
        opset_version=opset,
        dynamic_shapes=({0: torch.export.Dim("batch")},) if dynamic_batch else None,
        dynamo=True,
        external_data=True,
        verbose=False,
    )


def _torchscript(network: nn.Module, sample: torch.Tensor, file: Path, opset: int, dynamic_batch: bool) -> None:
    torch.onnx.export(
        network,
        (sample,),
        str(file),  # no other path may have more than 2 GB
        input_names=["input"],
        opset_version=opset,
        dynamic_axes={"input": {0: "batch"}} if dynamic_batch else None,
        dynamo=False,
    )
