"""Convolutions: which nodes are called so, and why all but ONNX's Conv can never be sites.

ONNX has several, ONNX Runtime's optimizers and quantizers make others, and users have their own. All are listed, so
that nobody has to wonder where one has gone. Calls of model-local functions are none: what is in these is listed.
"""

from __future__ import annotations

from collections.abc import Container

from zaponnx.operator import DOMAIN
from zaponnx.traversal import ONNX_DOMAINS

Functions = Container[tuple[str, str]]
"""Model-local functions, by domain and name."""

_MICROSOFT = ("com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc")
"""The domains of ONNX Runtime's own operators."""


def is_convolution(domain: str, operator: str, functions: Functions) -> bool:
    """Whether a node is a convolution, but no ZapConv; arguments as in `other_convolution`."""
    is_conv = operator == "Conv" and domain in ONNX_DOMAINS
    return is_conv or other_convolution(domain, operator, functions) is not None


def other_convolution(domain: str, operator: str, functions: Functions) -> str | None:
    """Why a convolution is no Conv of ONNX; None for such a Conv, a ZapConv, and what is no convolution.

    Args:
        domain, operator: What the node is.
        functions: The model-local functions.
    """
    if "conv" not in operator.lower() or domain == DOMAIN or (domain, operator) in functions:
        return None
    if domain not in ONNX_DOMAINS:
        whose = f"it is {operator} of the domain '{domain}', not ONNX's Conv"
        return f"{whose}: give the model as it was before ONNX Runtime optimized it" if domain in _MICROSOFT else whose
    if operator == "Conv":
        return None
    if operator in ("ConvInteger", "QLinearConv"):
        return f"it is a {operator}, whose numbers are quantized: give the float32 model"
    return f"it is a {operator}, and only Conv can become ZapConv"
