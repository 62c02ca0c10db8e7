"""The operators' schemas for onnx.defs: inputs, attributes, documentation."""

from __future__ import annotations

import atexit
from functools import partial

from onnx import defs
from onnx.defs import OpSchema

from zaponnx.operator import DOMAIN, NHWC_OPERATORS, OPERATORS, RESIDUAL, RESIDUAL_OPERATORS, VERSION
from zaponnx.operator.inference import infer_output

_DOC = """Convolution{residual}, then ReLU, in which a small predictor tells which outputs are zero and need no
computing. The outputs of a fixed pattern of pixels are always computed. From them the predictor, two depthwise 3×3
convolutions, gives a value V for every other output, which is computed where V is above the threshold, else 0.

    R = min(relu(Conv(X, W, B){plus_residual}), bound)
    S = R where pattern, else 0                          pattern tiled from (0, 0) over oH × oW
    V = dwconv3x3(relu(dwconv3x3(S, P1, p1)), P2, p2)    zero padding 1
    compute = pattern or not (V <= threshold)            a NaN is computed, never hidden
    Y = R where compute, else 0

With threshold −∞ and finite V this is Conv{plus_residual_words} and ReLU; with +∞ only the pattern is computed.
Where the pattern has all outputs, nothing is predicted: the library may compute them by Winograd's minimal filtering,
where a NaN or infinity reaches neighbouring outputs too.{layout}
The formula is shipped in every converted model as the operator's function body.
"""

_NHWC = """
X{and_residual} and Y are in NHWC here, and the formula is that of their transposes. Neighbouring layers exchange
activations so where that saves conversions: the kernels compute in NHWC."""

_INPUTS = {
    "X": "Input, {x}.",
    "W": "Weights, (M, C/group, kH, kW).",
    "B": "Bias, (M); zeros if the model has none.",
    "P1": "Weights of the predictor's first depthwise convolution, (M, 1, 3, 3), batch norm folded in.",
    "p1": "Its bias, (M).",
    "P2": "Weights of the predictor's second depthwise convolution, (M, 1, 3, 3), batch norm folded in.",
    "p2": "Its bias, (M).",
    "Z": "Residual, {y}, added before the ReLU. It is not broadcast.",
}

_ATTRIBUTES = {
    "strides": (OpSchema.AttrType.INTS, "Vertical and horizontal stride, as in Conv."),
    "pads": (OpSchema.AttrType.INTS, "Padding (top, left, bottom, right), as in Conv."),
    "dilations": (OpSchema.AttrType.INTS, "Vertical and horizontal dilation of the kernel, as in Conv."),
    "group": (OpSchema.AttrType.INT, "Number of groups, as in Conv."),
    "pattern": (OpSchema.AttrType.INTS, "The tile of 0 and 1 in row-major order; 1 marks what is always computed."),
    "pattern_shape": (OpSchema.AttrType.INTS, "Rows and columns of the tile."),
    "threshold": (OpSchema.AttrType.FLOATS, "One threshold, or one per output channel; may be infinite."),
    "channels": (OpSchema.AttrType.INT, "Output channels M."),
    "bound": (OpSchema.AttrType.FLOAT, "Upper bound of the activation: infinite for ReLU, 6 for ReLU6."),
}


def build_schema(operator: str) -> OpSchema:
    """The schema of one of `zaponnx.operator.OPERATORS`."""
    residual, nhwc = operator in RESIDUAL_OPERATORS, operator in NHWC_OPERATORS
    doc = _DOC.format(
        residual=" plus a residual" if residual else "",
        plus_residual=f" + {RESIDUAL}" if residual else "",
        plus_residual_words=", addition" if residual else "",
        layout=_NHWC.format(and_residual=f", {RESIDUAL}" if residual else "") if nhwc else "",
    )
    shapes = {"x": "(N, H, W, C)", "y": "(N, oH, oW, M)"} if nhwc else {"x": "(N, C, H, W)", "y": "(N, M, oH, oW)"}
    schema = OpSchema(
        operator,
        DOMAIN,
        VERSION,
        doc,
        inputs=[
            OpSchema.FormalParameter(name, "T", text.format(**shapes))
            for name, text in _INPUTS.items()
            if residual or name != RESIDUAL
        ],
        outputs=[OpSchema.FormalParameter("Y", "T", "Output, {y}.".format(**shapes))],
        type_constraints=[("T", ["tensor(float)"], "All tensors are float32.")],
        attributes=[OpSchema.Attribute(name, kind, text) for name, (kind, text) in _ATTRIBUTES.items()],
    )
    schema.set_type_and_shape_inference_function(partial(infer_output, nhwc=nhwc))
    return schema


def register_schemas() -> None:
    """Registers all schemas with onnx.defs, which is global to the process; doing it again does nothing."""
    for operator in OPERATORS:
        if not defs.has(operator, DOMAIN):
            defs.register_schema(build_schema(operator))
            # The registry outlives the interpreter, and destroying a Python function there can hang the exit.
            atexit.register(defs.deregister_schema, operator, VERSION, DOMAIN)
