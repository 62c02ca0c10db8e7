"""The operators ZapConv and ZapConvResidual: their schema, their body in ONNX operators, their documentation."""

DOMAIN = "zaponnx"
VERSION = 1
ZAP_CONV = "ZapConv"
ZAP_CONV_RESIDUAL = "ZapConvResidual"
OPERATORS = (ZAP_CONV, ZAP_CONV_RESIDUAL)

INPUTS = ("X", "W", "B", "P1", "p1", "P2", "p2")
"""The inputs of both operators, in their order."""

RESIDUAL = "Z"
"""ZapConvResidual's last input."""

ATTRIBUTES = ("strides", "pads", "dilations", "group", "pattern", "pattern_shape", "threshold", "channels", "bound")
"""The attributes of both operators; every node carries all of them."""

MIN_OPSET = 13
"""The oldest version of the ONNX domain that the bodies can be read in."""
