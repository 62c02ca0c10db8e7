"""Constants: which tensors of a graph are constant, and their values.

Constant is what an initializer or a Constant node gives, and what nodes make of that which only fill, move or cast
values. Arithmetic is not evaluated, and neither is DequantizeLinear: quantized weights stay quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_graphsurgeon as gs
from onnx import helper
from onnx_graphsurgeon.logger import G_LOGGER

from zaponnx.graph.surgery import is_op

Array = npt.NDArray[Any]


def constant(tensor: gs.Tensor) -> gs.Constant | None:
    """A constant tensor with its values, an initializer as itself; None if the tensor is computed or an input."""
    while not isinstance(tensor, gs.Constant):
        producer = tensor.inputs[0] if tensor.inputs else None
        if producer is None or not is_op(producer, *CONSTANT_OPERATORS):
            return None
        if producer.op != "Identity":
            return _evaluated(producer)
        tensor = producer.inputs[0]
    return tensor


def _evaluated(node: gs.Node) -> gs.Constant | None:
    """What a node makes of its inputs; None if one is not constant, or they do not fit together or into memory."""
    # It logs to stdout where it loads a type that numpy lacks.
    with G_LOGGER.suppress():
        try:
            inputs = [found for tensor in node.inputs if (found := constant(tensor)) is not None]
            if len(inputs) < len(node.inputs):
                return None
            values = _EVALUATIONS[node.op](node, *(found.values for found in inputs))
        except (LookupError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
            return None
    return None if values is None else gs.Constant(node.outputs[0].name, values)


def _constant(node: gs.Node) -> Array | None:
    """A Constant node's value; strings and sparse tensors are nothing that a convolution could use."""
    if "value" in node.attrs:
        return np.asarray(node.attrs["value"].values)
    for kind, dtype in (("float", np.float32), ("int", np.int64)):
        for name in (f"value_{kind}", f"value_{kind}s"):
            if name in node.attrs:
                return np.array(node.attrs[name], dtype)
    return None


def _filled(node: gs.Node, shape: Array) -> Array:
    value = node.attrs["value"].values if "value" in node.attrs else np.zeros(1, np.float32)
    return np.broadcast_to(value.reshape(()), tuple(shape))


def _reshaped(node: gs.Node, data: Array, shape: Array) -> Array:
    copied = not node.attrs.get("allowzero", 0)
    return data.reshape([data.shape[axis] if size == 0 and copied else size for axis, size in enumerate(shape)])


def _cast(node: gs.Node, data: Array) -> Array:
    return data.astype(helper.tensor_dtype_to_np_dtype(node.attrs["to"]))


def _transposed(node: gs.Node, data: Array) -> Array:
    return data.transpose(node.attrs.get("perm"))


def _axes(node: gs.Node, given: tuple[Array, ...]) -> tuple[int, ...] | None:
    """The axes of Squeeze and Unsqueeze: an attribute up to opset 12, then an input; None for all."""
    axes = given[0] if given else node.attrs.get("axes")
    return None if axes is None else tuple(int(axis) for axis in np.atleast_1d(axes))


def _squeezed(node: gs.Node, data: Array, *axes: Array) -> Array:
    return data.squeeze(_axes(node, axes))


def _unsqueezed(node: gs.Node, data: Array, *axes: Array) -> Array:
    return np.expand_dims(data, _axes(node, axes) or ())


_EVALUATIONS: Mapping[str, Callable[..., Array | None]] = {
    "Cast": _cast,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Reshape": _reshaped,
    "Squeeze": _squeezed,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
}

CONSTANT_OPERATORS = ("Identity", *_EVALUATIONS)
"""What makes constants of constants."""
