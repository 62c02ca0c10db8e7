"""Type and shape inference of the operators: the shape of Y from the inputs and the attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import onnx
from onnx import TensorProto, TensorShapeProto, TypeProto
from onnx.shape_inference import InferenceContext, InferenceError

from zaponnx.operator import ATTRIBUTES, INPUTS, RESIDUAL, TO_NCHW, TO_NHWC

_Dims = Sequence[TensorShapeProto.Dimension]

_RANKS = {"X": 4, "W": 4, "B": 1, "P1": 4, "p1": 1, "P2": 4, "p2": 1, "Z": 4}


def infer_output(context: InferenceContext, *, nhwc: bool) -> None:
    """Sets the type of Y, and its shape as far as it is known, as for Conv.

    Args:
        context: The node.
        nhwc: Whether X, Z and Y are in NHWC.

    Raises:
        InferenceError: Shapes or attributes contradict each other.
    """
    attributes = {name: _attribute(context, name) for name in ATTRIBUTES}
    shapes = {name: _dims(context, index, name) for index, name in enumerate((*INPUTS, RESIDUAL))}
    channels = attributes["channels"]
    _check_attributes(attributes)
    expected = {
        "B": (channels,),
        "P1": (channels, 1, 3, 3),
        "p1": (channels,),
        "P2": (channels, 1, 3, 3),
        "p2": (channels,),
        "W": (channels, None, None, None),
    }
    for name, sizes in expected.items():
        _check_shape(name, shapes[name], sizes)
    x, w = shapes["X"], shapes["W"]
    if nhwc and x is not None:
        x = [x[axis] for axis in TO_NCHW]
    output = TypeProto()
    output.tensor_type.elem_type = TensorProto.FLOAT
    dims = [TensorShapeProto.Dimension() for _ in range(4)]
    dims[1].dim_value = channels
    if x is not None:
        dims[0].CopyFrom(x[0])
    if x is not None and w is not None:
        if None not in (_size(x[1]), _size(w[1])) and _size(x[1]) != _size(w[1]) * attributes["group"]:
            _fail(f"X has {_size(x[1])} channels, W takes {_size(w[1])} in each of {attributes['group']} groups")
        for axis in range(2):
            _set_output_size(dims[2 + axis], x[2 + axis], w[2 + axis], axis, attributes)
    if nhwc:
        dims = [dims[axis] for axis in TO_NHWC]
    _check_shape(RESIDUAL, shapes[RESIDUAL], [_size(dim) for dim in dims])
    output.tensor_type.shape.dim.extend(dims)
    context.set_output_type(0, output)


def _set_output_size(
    output: TensorShapeProto.Dimension,
    size: TensorShapeProto.Dimension,
    kernel: TensorShapeProto.Dimension,
    axis: int,
    attributes: dict[str, Any],
) -> None:
    """Sets oH (axis 0) or oW (axis 1): floor((size + pads − (kernel − 1) · dilation − 1) / stride) + 1."""
    if not kernel.HasField("dim_value"):
        return
    stride = attributes["strides"][axis]
    pads = attributes["pads"][axis] + attributes["pads"][axis + 2]
    reach = (kernel.dim_value - 1) * attributes["dilations"][axis] + 1
    if size.HasField("dim_value"):
        output.dim_value = (size.dim_value + pads - reach) // stride + 1
        if output.dim_value < 1:
            _fail(f"the kernel reaches over {reach} of {size.dim_value + pads} padded {('rows', 'columns')[axis]} of X")
    elif stride == 1 and pads == reach - 1:
        output.CopyFrom(size)


def _check_attributes(attributes: dict[str, Any]) -> None:
    for name, length, low in (("strides", 2, 1), ("pads", 4, 0), ("dilations", 2, 1)):
        if len(attributes[name]) != length or min(attributes[name]) < low:
            _fail(f"attribute '{name}' is {attributes[name]}, not {length} integers from {low}")
    channels, group = attributes["channels"], attributes["group"]
    if group < 1 or channels < 1 or channels % group:
        _fail(f"{channels} channels cannot be split into {group} groups")
    tile, shape = attributes["pattern"], attributes["pattern_shape"]
    if len(shape) != 2 or min(shape) < 1 or shape[0] * shape[1] != len(tile):
        _fail(f"attribute 'pattern' has {len(tile)} entries, 'pattern_shape' is {shape}")
    if not set(tile) <= {0, 1} or 1 not in tile:
        _fail(f"attribute 'pattern' is {tile}, not a tile of 0 and 1 with at least one 1")
    thresholds = len(attributes["threshold"])
    if thresholds not in (1, channels):
        _fail(f"attribute 'threshold' has {thresholds} values for {channels} channels")


def _check_shape(name: str, dims: _Dims | None, sizes: Sequence[int | None]) -> None:
    """Refuses known dimensions that differ from known sizes."""
    if dims is not None and any(
        None not in (_size(dim), size) and _size(dim) != size for dim, size in zip(dims, sizes, strict=True)
    ):
        _fail(f"input '{name}' is {_text([_size(dim) for dim in dims])}, not {_text(sizes)}")


def _attribute(context: InferenceContext, name: str) -> Any:
    attribute = context.get_attribute(name)
    if attribute is None:
        _fail(f"attribute '{name}' is missing")
    return onnx.helper.get_attribute_value(attribute)


def _dims(context: InferenceContext, index: int, name: str) -> _Dims | None:
    """An input's dimensions, None where its rank is unknown or it does not exist."""
    if index >= context.get_num_inputs() or context.get_input_type(index) is None:
        return None
    tensor = context.get_input_type(index).tensor_type
    if not tensor.HasField("shape"):
        return None
    if len(tensor.shape.dim) != _RANKS[name]:
        _fail(f"input '{name}' has {len(tensor.shape.dim)} dimensions, not {_RANKS[name]}")
    return list(tensor.shape.dim)


def _size(dim: TensorShapeProto.Dimension) -> int | None:
    return dim.dim_value if dim.HasField("dim_value") else None


def _text(sizes: Sequence[int | None]) -> str:
    return "×".join("?" if size is None else str(size) for size in sizes)


def _fail(problem: str) -> NoReturn:
    raise InferenceError(f"ZapConv: {problem}")
