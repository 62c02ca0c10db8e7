"""Which tensors of an imported torch module are weights, and which initializers of the ONNX model they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, fx, nn

from zaponnx.calib.finetuning.zap_conv import TorchZapConv
from zaponnx.graph.converted import attributes

_AFFINE = ("weight", "bias")

STATISTICS = ("running_mean", "running_var")
"""What batch norms gather; no gradient trains them."""


@dataclass(frozen=True, eq=False)
class Weight:
    """The place of an initializer in a torch module.

    Attributes:
        module, name: The module of its node, and which of its tensors it is.
        transposed: Whether torch has the matrix transposed.
    """

    module: nn.Module
    name: str
    transposed: bool = False

    @property
    def tensor(self) -> Tensor:
        """The tensor, as torch has it."""
        tensor: Tensor = getattr(self.module, self.name)
        return tensor

    def values(self) -> npt.NDArray[np.float32]:
        """The values, as the ONNX model has them."""
        array: npt.NDArray[np.float32] = self.tensor.detach().cpu().numpy()
        return np.ascontiguousarray(array.T if self.transposed else array)


def find_weights(model: onnx.ModelProto, module: fx.GraphModule) -> dict[str, Weight]:
    """Initializer → its place, for the weights of Conv, ZapConv, BatchNormalization, Gemm and MatMul.

    Those that several nodes read are left out: each would train its own. So are scaled ones, of a Gemm.

    Args:
        model: What was imported, its nodes named.
        module: What it became. The constants of its MatMuls become parameters.
    """
    calls = {str(call.target): call for call in module.graph.nodes if call.op == "call_module"}
    readers: dict[str, int] = {}
    found: dict[str, Weight] = {}
    for node in model.graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
        target = f"{node.domain}/{node.name}".lstrip("/")  # onnx2torch's name for it
        for index, weight in _node_weights(node, module, calls[target]):
            found[node.input[index]] = weight
    initializers = {tensor.name for tensor in model.graph.initializer}
    return {
        name: weight
        for name, weight in found.items()
        if name in initializers and readers[name] == 1 and weight.tensor.dtype == torch.float32
    }


def _node_weights(node: onnx.NodeProto, root: fx.GraphModule, call: fx.Node) -> Iterator[tuple[int, Weight]]:
    """The inputs of a node that are weights, by their indices."""
    module = root.get_submodule(str(call.target))
    if isinstance(module, TorchZapConv):
        module = module.conv
    elif isinstance(module, nn.Sequential):  # a padding and its convolution
        module = module[-1]
    names: tuple[str, ...] = ()
    transposed = False
    match module:
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
            names = _AFFINE
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.BatchNorm3d():
            names = (*_AFFINE, *STATISTICS)
        case nn.Linear():
            options = attributes(node)
            names = _AFFINE if options.get("alpha", 1) == options.get("beta", 1) == 1 else ()
            transposed = not options.get("transB", 0)
    for index, name in enumerate(names[: len(node.input) - 1], start=1):
        yield index, Weight(module, name, transposed and name == "weight")
    if node.op_type == "MatMul":
        for index, operand in enumerate(call.args):
            if isinstance(operand, fx.Node) and operand.op == "get_attr":
                yield index, _parameter(root, str(operand.target))


def _parameter(root: nn.Module, path: str) -> Weight:
    """Makes a buffer a parameter."""
    owner, _, name = path.rpartition(".")
    module = root.get_submodule(owner)
    tensor = module.get_buffer(name)
    delattr(module, name)
    module.register_parameter(name, nn.Parameter(tensor, requires_grad=False))
    return Weight(module, name)
