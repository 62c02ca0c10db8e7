"""Symbols: which sizes that are not fixed are equal, where ONNX shape inference does not say so.

Along an axis of size d, a convolution or pool gives ⌊(d + pads − reach) / stride⌋ + 1, reach = (kernel − 1)·dilation
+ 1. Where d is a symbol, that expression is the symbol of the result: d itself for a 3×3 kernel padded by 1, and one
for both the 3×3 and the 1×1 convolution that a residual block downsamples with. A pool that rounds up gives the same as
one with stride − 1 more pads. What is computed element by element has the size of those operands that are not 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import onnx

from zaponnx.traversal import onnx_operator

Shape = tuple[int | str | None, ...]
"""Dimensions: sizes, or symbols of sizes that are not fixed (equal if their symbols are); None where unknown."""

_WINDOWS = ("Conv", "MaxPool", "AveragePool")
ELEMENTWISE = ("Add", "Div", "Max", "Min", "Mul", "Sub", "Sum")


def with_equal_symbols(model: onnx.ModelProto, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shapes of the main graph's tensors, with one symbol for what is equal."""
    known: dict[str, str] = {}

    def resolved(name: str) -> Shape:
        return tuple(known.get(dim, dim) if isinstance(dim, str) else dim for dim in shapes.get(name, ()))

    for node in model.graph.node:
        operator = onnx_operator(node)
        if not operator or not node.output:
            continue
        result: Shape = ()
        if operator in _WINDOWS:
            result = _window_shape(node, *(resolved(name) for name in node.input[:2]))
        elif operator in ELEMENTWISE and all(name in shapes for name in node.input):
            result = _broadcast_shape([resolved(name) for name in node.input])
        for new, dim in zip(shapes.get(node.output[0], ()), result, strict=False):
            if isinstance(new, str) and isinstance(dim, str) and new != dim:
                known.setdefault(new, dim)
    return {name: resolved(name) for name in shapes}


def shape_text(shape: Sequence[int | str | None]) -> str:
    """A shape for people: the sizes, "?" for those that only ONNX's inference has a name for."""
    return "×".join("?" if dim is None or "unk__" in str(dim) else str(dim) for dim in shape)


def _broadcast_shape(operands: Sequence[Shape]) -> Shape:
    """The shape that operands are broadcast to, None where that is not known."""
    sizes: list[int | str | None] = []
    for dims in zip_longest(*(shape[::-1] for shape in operands), fillvalue=1):
        different = set(dims) - {1}
        sizes.append(different.pop() if len(different) == 1 else None)
    return tuple(sizes[::-1])


def _window_shape(node: onnx.NodeProto, data: Shape, weights: Shape = ()) -> Shape:
    """The output's shape as far as it is symbols, None elsewhere; () if the attributes leave it open."""
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    rank = max(len(data) - 2, 0)
    kernel = attributes.get("kernel_shape", weights[2:])
    strides, dilations = (attributes.get(name, [1] * rank) for name in ("strides", "dilations"))
    pads = attributes.get("pads", [0] * 2 * rank)
    lengths = [len(values) for values in (kernel, strides, dilations, pads)]
    if not rank or lengths != [rank, rank, rank, 2 * rank] or not all(isinstance(size, int) for size in kernel):
        return ()
    mode = attributes.get("auto_pad", b"NOTSET").decode()
    sizes: list[int | str | None] = [data[0], None]
    for axis, dim in enumerate(data[2:]):
        reach, stride = (kernel[axis] - 1) * dilations[axis] + 1, strides[axis]
        begin, end = (pads[axis], pads[axis + rank]) if mode == "NOTSET" else (0, 0)
        # SAME gives ⌈d / stride⌉ = ⌊(d − 1) / stride⌋ + 1.
        added = -1 if mode.startswith("SAME") else begin + end - reach
        if attributes.get("ceil_mode"):
            added += stride - 1
            if end + stride > reach:
                # The last window may begin behind the data, and then it is left out or not.
                dim = None
        sizes.append(_window_symbol(dim, added, stride) if isinstance(dim, str) else None)
    return tuple(sizes)


def _window_symbol(dim: str, added: int, stride: int) -> str:
    """⌊(dim + added) / stride⌋ + 1."""
    if stride == 1:
        return dim if added == -1 else f"({dim}{added + 1:+d})"
    return f"(⌊({dim}{added:+d})/{stride}⌋+1)" if added else f"(⌊{dim}/{stride}⌋+1)"
