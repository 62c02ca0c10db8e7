"""The operators ZapConv and ZapConvResidual, in NCHW and in NHWC: schema, body in ONNX operators, documentation."""

DOMAIN = "zaponnx"
VERSION = 1
ZAP_CONV = "ZapConv"
ZAP_CONV_RESIDUAL = "ZapConvResidual"
ZAP_CONV_NHWC = "ZapConvNhwc"
ZAP_CONV_RESIDUAL_NHWC = "ZapConvResidualNhwc"
NHWC_FORMS = {ZAP_CONV: ZAP_CONV_NHWC, ZAP_CONV_RESIDUAL: ZAP_CONV_RESIDUAL_NHWC}
"""The same operators with X, Z and Y in NHWC, by their NCHW form; weights and predictors are laid out alike."""

OPERATORS = (*NHWC_FORMS, *NHWC_FORMS.values())
RESIDUAL_OPERATORS = (ZAP_CONV_RESIDUAL, ZAP_CONV_RESIDUAL_NHWC)
NHWC_OPERATORS = tuple(NHWC_FORMS.values())

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
"""The axes' permutations between the layouts, as Transpose has them."""

INPUTS = ("X", "W", "B", "P1", "p1", "P2", "p2")
"""The inputs of all operators, in their order."""

RESIDUAL = "Z"
"""The residual forms' last input."""

ATTRIBUTES = ("strides", "pads", "dilations", "group", "pattern", "pattern_shape", "threshold", "channels", "bound")
"""The attributes of all operators; every node carries all of them."""

MIN_OPSET = 13
"""The oldest version of the ONNX domain that the bodies can be read in."""
