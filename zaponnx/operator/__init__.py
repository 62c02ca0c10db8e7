"""The operators ZapConv and ZapConvResidual: their schema, their body in ONNX operators, their documentation."""

DOMAIN = "zaponnx"
VERSION = 1
ZAP_CONV = "ZapConv"
ZAP_CONV_RESIDUAL = "ZapConvResidual"
OPERATORS = (ZAP_CONV, ZAP_CONV_RESIDUAL)
