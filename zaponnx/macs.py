"""Multiply-accumulates (MACs): what a model's convolutions and their predictors cost, per image.

A convolution's MACs are its outputs, M · oH · oW, times C/group · kH · kW each; a ConvTranspose's are its inputs,
C · H · W, times M/group · kH · kW each. Only convolutions of the main graph are counted: in the CNNs that this is for
they are nearly all of the work, and the reports give shares of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from zaponnx.graph.converted import zap_convs
from zaponnx.graph.convolutions import is_convolution
from zaponnx.graph.shapes import infer_shapes
from zaponnx.graph.surgery import import_graph
from zaponnx.graph.symbols import Shape
from zaponnx.operator import DOMAIN
from zaponnx.traversal import ONNX_DOMAINS

PREDICTOR_MACS_PER_OUTPUT = 9
"""What the predictor costs on average, per output of its layer.

Each of its two depthwise 3×3 convolutions takes 9 MACs per output at most. The first one's input is zero outside the
pattern: of its 9 taps, the pattern's share s is multiplied on average. The second one is evaluated only outside
the pattern, for a share 1 − s of the outputs. Together 9·s + 9·(1 − s) = 9, whatever the pattern,
unless it has all outputs: then there is nothing to predict.
"""


@dataclass(frozen=True)
class Work:
    """The work of one convolution; None where the model does not fix a size.

    Attributes:
        outputs: Outputs per image, M · oH · oW; a ConvTranspose's inputs.
        macs_per_output: C/group · kH · kW; MACs per input of a ConvTranspose.
    """

    outputs: int | None
    macs_per_output: int | None

    @property
    def macs(self) -> int | None:
        """Dense MACs per image."""
        return None if self.outputs is None or self.macs_per_output is None else self.outputs * self.macs_per_output

    @property
    def predictor_macs(self) -> int | None:
        """What a predictor for it costs per image, on average."""
        return None if self.outputs is None else self.outputs * PREDICTOR_MACS_PER_OUTPUT


def conv_work(model: onnx.ModelProto) -> Mapping[str, Work]:
    """The work of each convolution of the main graph, by its output tensor, in the model's order."""
    shapes = infer_shapes(model, import_graph(model), batch=1)
    functions = {(function.domain, function.name) for function in model.functions}
    zap = {node.output[0] for node in zap_convs(model)}
    return {
        node.output[0]: _work(node, shapes)
        for node in model.graph.node
        if set(node.output[:1]) & zap or is_convolution(node.domain, node.op_type, functions)
    }


def _work(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> Work:
    """The work of a convolution, unknown for operators that are neither ONNX's nor ours."""
    if node.domain not in (*ONNX_DOMAINS, DOMAIN):
        return Work(None, None)
    data = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
    weights = node.input[3 if node.op_type == "QLinearConv" else 1]
    return Work(_size(shapes.get(data)), _size(shapes.get(weights)))


def _size(shape: Shape | None) -> int | None:
    """The product of the dims behind the first, which is the batch of an output and M of the weights."""
    sizes = [dim for dim in shape[1:] if isinstance(dim, int)] if shape else []
    return math.prod(sizes) if shape and len(sizes) == len(shape) - 1 else None
