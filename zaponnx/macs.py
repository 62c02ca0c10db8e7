"""Multiply-accumulates (MACs): what a model's convolutions and their predictors cost, per image.

A convolution's MACs are its outputs, M · oH · oW, times C/group · kH · kW each. Only Conv and ZapConv of the main graph
are counted: in the CNNs that this is for they are nearly all of the work, and the reports give shares of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from zaponnx.graph.converted import zap_convs
from zaponnx.graph.shapes import infer_shapes
from zaponnx.graph.surgery import import_graph
from zaponnx.graph.symbols import Shape

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
        outputs: Outputs per image, M · oH · oW.
        macs_per_output: C/group · kH · kW.
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
    """The work of each Conv and ZapConv of the main graph, by its output tensor, in the model's order."""
    shapes = infer_shapes(model, import_graph(model), batch=1)
    zap = {node.output[0] for node in zap_convs(model)}
    return {
        node.output[0]: Work(*(_size(shapes.get(tensor)) for tensor in (node.output[0], node.input[1])))
        for node in model.graph.node
        if node.output[0] in zap or (node.op_type == "Conv" and node.domain in ("", "ai.onnx"))
    }


def _size(shape: Shape | None) -> int | None:
    """The product of the dims behind the first, which is the batch of an output and M of the weights."""
    sizes = [dim for dim in shape[1:] if isinstance(dim, int)] if shape else []
    return math.prod(sizes) if shape and len(sizes) == len(shape) - 1 else None
