"""Cuts models out of models: reads a network, gives the part without its classifier or a single layer."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx.utils import Extractor


def cut(model: onnx.ModelProto, inputs: Sequence[str], output: str) -> onnx.ModelProto:
    """The part of a model that computes one tensor from others; names stay, weights are embedded."""
    # The extractor wants the shapes of all tensors that become inputs or outputs.
    shaped = onnx.shape_inference.infer_shapes(model)
    part: onnx.ModelProto = Extractor(shaped).extract_model(list(inputs), [output])
    return part


def without_classifier(model: onnx.ModelProto) -> onnx.ModelProto:
    """The part of VGG or AlexNet up to its last pooling by maximum."""
    last = [node for node in model.graph.node if node.op_type == "MaxPool"][-1]
    return cut(model, [model.graph.input[0].name], last.output[0])
