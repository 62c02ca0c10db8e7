"""The operators' function bodies: their formula in ONNX operators, as a FunctionProto.

    R = min(relu(Conv(X, W, B) [+ Z]), bound)
    S = R where pattern, else 0                          pattern tiled from (0, 0) over oH × oW
    V = dwconv3x3(relu(dwconv3x3(S, P1, p1)), P2, p2)    zero padding 1
    compute = pattern or not (V <= threshold)            a NaN is computed, never hidden
    Y = R where compute, else 0

The NHWC forms transpose X, Z and Y. Every converted model ships its bodies, so any ONNX runtime can run it. All shapes
may be dynamic; the operators used mean the same in every opset from 13 on. The attributes have no defaults: each node
carries every one of them.
"""

from __future__ import annotations

from onnx import FunctionProto, parser

from zaponnx.operator import (
    ATTRIBUTES,
    DOMAIN,
    INPUTS,
    NHWC_OPERATORS,
    RESIDUAL,
    RESIDUAL_OPERATORS,
    TO_NCHW,
    TO_NHWC,
)

_RESULT = """
    convolved = Conv <strides: ints = @strides, pads: ints = @pads, dilations: ints = @dilations, group: int = @group>
        ({x}, W, B)
    {add_residual}
    rectified = Relu ({summed})
    bound = Constant <value_float: float = @bound> ()
    result = Min (rectified, bound)
"""

COMPUTE = """
    shape = Shape (result)
    two = Constant <value_ints = [2]> ()
    four = Constant <value_ints = [4]> ()
    size = Slice (shape, two, four)
    tile_entries = Constant <value_ints: ints = @pattern> ()
    tile_size = Constant <value_ints: ints = @pattern_shape> ()
    tile = Reshape (tile_entries, tile_size)
    whole_tiles = Div (size, tile_size)
    one = Constant <value_int = 1> ()
    repeats = Add (whole_tiles, one)
    tiled = Tile (tile, repeats)
    origin = Constant <value_ints = [0, 0]> ()
    cropped = Slice (tiled, origin, size)
    in_pattern = Cast <to = 9> (cropped)

    zero = Constant <value_float = 0.0> ()
    sparse = Where (in_pattern, result, zero)
    hidden = Conv <pads = [1, 1, 1, 1], group: int = @channels> (sparse, P1, p1)
    hidden_rectified = Relu (hidden)
    predicted = Conv <pads = [1, 1, 1, 1], group: int = @channels> (hidden_rectified, P2, p2)
    thresholds = Constant <value_floats: floats = @threshold> ()
    threshold_shape = Constant <value_ints = [1, -1, 1, 1]> ()
    channel_thresholds = Reshape (thresholds, threshold_shape)
    predicted_zero = LessOrEqual (predicted, channel_thresholds)
    not_predicted_zero = Not (predicted_zero)
    compute = Or (in_pattern, not_predicted_zero)
"""
"""The nodes from `result`, of which only the pattern is read, to the boolean `compute`, in ONNX's text syntax.

`@name` is the value of the node's attribute; 9 is TensorProto.BOOL.
"""

_OUTPUT = """
    {y} = Where (compute, result, zero)
"""


def build_body(operator: str, opset: int) -> FunctionProto:
    """The body of an operator, for a model of a given opset.

    Args:
        operator: One of `zaponnx.operator.OPERATORS`.
        opset: The model's version of the ONNX domain, at least 13. A runtime reads the body in it.
    """
    residual, nhwc = operator in RESIDUAL_OPERATORS, operator in NHWC_OPERATORS
    inputs = [*INPUTS, RESIDUAL] if residual else INPUTS
    x, z, y = (f"{name}_nchw" if nhwc else name for name in ("X", RESIDUAL, "Y"))
    nodes = [
        _RESULT.format(x=x, add_residual=f"summed = Add (convolved, {z})", summed="summed")
        if residual
        else _RESULT.format(x=x, add_residual="", summed="convolved"),
        COMPUTE,
        _OUTPUT.format(y=y),
    ]
    if nhwc:
        entering = [transpose(name, TO_NCHW, f"{name}_nchw") for name in inputs if name in ("X", RESIDUAL)]
        nodes = [*entering, *nodes, transpose(y, TO_NHWC, "Y")]
    header = f'<domain: "{DOMAIN}", opset_import: ["": {opset}]>'
    signature = f"{operator} <{', '.join(ATTRIBUTES)}> ({', '.join(inputs)}) => (Y)"
    return parser.parse_function(f"{header} {signature} {{ {' '.join(nodes)} }}")


def transpose(tensor: str, axes: tuple[int, ...], to: str) -> str:
    """A Transpose in ONNX's text syntax."""
    return f"{to} = Transpose <perm = {list(axes)}> ({tensor})"
