"""Conv's pads, made explicit: ZapConv has no auto_pad."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_graphsurgeon as gs

from zaponnx.graph.symbols import Shape


def explicit_pads(conv: gs.Node, kernel: Sequence[int], input_shape: Shape | None) -> list[int] | str:
    """The pads (top, left, bottom, right) of a two-dimensional Conv, or why they cannot be told.

    SAME pads so that the output has ceil(input / stride) rows, and UPPER puts the odd one at the end:
    total = max(0, (ceil(input / stride) − 1) · stride + (kernel − 1) · dilation + 1 − input).

    Args:
        conv: The Conv node.
        kernel: Rows and columns of its kernel.
        input_shape: Its input's (N, C, H, W) as far as known.
    """
    mode = conv.attrs.get("auto_pad", "NOTSET")
    if mode in ("", "NOTSET"):  # ONNX Runtime takes the first for the second
        return list(conv.attrs.get("pads", [0, 0, 0, 0]))
    if mode == "VALID":
        return [0, 0, 0, 0]
    begin, end = [], []
    for axis in range(2):
        stride = conv.attrs.get("strides", [1, 1])[axis]
        reach = (kernel[axis] - 1) * conv.attrs.get("dilations", [1, 1])[axis] + 1
        size = input_shape[2 + axis] if input_shape else None
        if not isinstance(size, int) and stride > 1:
            return f"its pads (auto_pad {mode}) depend on the input's size, which is not fixed"
        # With stride 1 the total is reach − 1 for any size.
        total = max(0, (-(-size // stride) - 1) * stride + reach - size) if isinstance(size, int) else reach - 1
        half = total // 2
        begin.append(half if mode == "SAME_UPPER" else total - half)
        end.append(total - begin[-1])
    return begin + end
