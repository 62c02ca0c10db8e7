"""A model as a torch module, and the initializers that its weights come from: ONNX to torch by onnx2torch.

ZapConvs become modules of our own, in which the predictors are active. Every import is compared with ONNX Runtime, see
`zaponnx.calib.finetuning.equality`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy.typing as npt
import onnx
import torch
from torch import Tensor, fx

from zaponnx.calib.finetuning.importable import importable
from zaponnx.calib.finetuning.weights import Weight, find_weights
from zaponnx.calib.finetuning.zap_conv import TorchZapConv
from zaponnx.calib.torchvision_compat import torchvision_models
from zaponnx.errors import ModelError, RuntimeUnavailable, on_behalf_of
from zaponnx.graph.converted import attributes
from zaponnx.models import first_line
from zaponnx.operator import DOMAIN, INPUTS, NHWC_OPERATORS, OPERATORS, VERSION


@dataclass(frozen=True, eq=False)
class TorchModel:
    """A model in torch, in inference mode.

    Attributes:
        module: Takes the model's inputs in their order and gives its outputs.
        inputs: The inputs' names.
        weights: Initializer → its place, for the weights of Conv, ZapConv, BatchNormalization, Gemm and MatMul.
    """

    module: fx.GraphModule
    inputs: tuple[str, ...]
    weights: Mapping[str, Weight]

    @property
    def zap_convs(self) -> list[TorchZapConv]:
        """The ZapConvs, in the model's order."""
        return [module for module in self.module.modules() if isinstance(module, TorchZapConv)]

    def predict(self, active: bool) -> None:
        """Lets the predictors decide what is computed, or has everything computed."""
        for module in self.zap_convs:
            module.active = active

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.module.parameters()).device

    def __call__(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Tensor:
        """The model's first output, for a batch of its inputs."""
        outputs = self.module(*(torch.tensor(inputs[name], device=self.device) for name in self.inputs))
        first: Tensor = outputs if isinstance(outputs, Tensor) else outputs[0]
        return first


def import_model(model: onnx.ModelProto, where: str) -> TorchModel:
    """Makes a torch module of a model.

    Args:
        model: The model; it is not changed, and shares no memory with the module.
        where: Its file, for error messages.

    Raises:
        ModelError: It cannot be imported.
        RuntimeUnavailable: onnx2torch is not installed or does not load.
    """
    onnx2torch = _onnx2torch()
    copy = importable(model)
    try:
        module = onnx2torch.convert(copy).eval()
    except Exception as error:  # of any kind: what its converters stumble over
        name, cause = _stumbling_block(copy, error)
        node = next((node for index, node in enumerate(model.graph.node) if f"node_{index}" == name), None)
        place = f"{where}, node '{node.name or node.output[0]}' ({node.op_type})" if node else where
        problem = f"cannot be imported into torch ({type(cause).__name__}: {first_line(cause)})"
        remedy = "export the model without it, or fine-tune where the model comes from"
        raise ModelError("finetune", problem, where=place, remedy=remedy) from error
    return TorchModel(module, tuple(value.name for value in copy.graph.input), find_weights(copy, module))


@cache
def _onnx2torch() -> ModuleType:
    """The module onnx2torch, which has been told about ZapConv."""
    with on_behalf_of("finetune"):
        torchvision_models()  # onnx2torch imports torchvision, which may need help
    try:
        import onnx2torch
        from onnx2torch.node_converters.registry import add_converter
    except ImportError as error:
        remedy = "pip install 'zaponnx[calib]'"
        raise RuntimeUnavailable("finetune", f"onnx2torch does not load ({error})", remedy=remedy) from error
    for operator in OPERATORS:
        add_converter(operation_type=operator, version=VERSION, domain=DOMAIN)(_converted)
    module: ModuleType = onnx2torch
    return module


def _converted(node: Any, graph: Any) -> Any:
    """onnx2torch's converter of a ZapConv."""
    from onnx2torch.utils.common import OnnxMapping, OperationConverterResult

    names = dict(zip(INPUTS, node.input_values, strict=False))
    tensors = {name: graph.initializers[names[name]].to_torch() for name in INPUTS[1:]}
    module = TorchZapConv(tensors, attributes(node.proto), nhwc=node.operation_type in NHWC_OPERATORS)
    read = (names["X"], *node.input_values[len(INPUTS) :])
    return OperationConverterResult(module, OnnxMapping(inputs=read, outputs=node.output_values))


def _stumbling_block(model: onnx.ModelProto, error: Exception) -> tuple[str, Exception]:
    """The name of the first node whose converter fails, and its error; "" and the error given if none does."""
    from onnx2torch.node_converters import get_converter
    from onnx2torch.onnx_graph import OnnxGraph

    try:
        versions = {entry.domain: entry.version for entry in model.opset_import}
        graph = OnnxGraph(onnx.shape_inference.infer_shapes(model).graph)
        nodes = graph.nodes.values()
    except Exception as problem:
        return "", problem
    for node in nodes:
        try:
            get_converter(node.operation_type, versions[node.domain], node.domain)(node, graph)
        except Exception as problem:
            return str(node.name), problem
    return "", error
