"""The light graphs of the onnx package: networks of the ONNX model zoo without their weights.

What was an initializer there is a ConstantOfShape, all values 0.02. Here it is an initializer again, with seeded random
values, so that the graph has the form of the original: opset 9, IR version 3, initializers listed as inputs.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

_DIRECTORY = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def shipped_graph(name: str) -> onnx.ModelProto:
    """A light graph as the onnx package has it."""
    return onnx.load_model(_DIRECTORY / f"{name}.onnx")


def light_graph(name: str, seed: int) -> onnx.ModelProto:
    """The same with random weights: variance 2/fan-in, which keeps the size of activations through a ReLU."""
    model = shipped_graph(name)
    graph = model.graph
    rng = np.random.default_rng(seed)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    fills = {node.output[0]: node for node in graph.node if node.op_type == "ConstantOfShape"}
    variances = {node.input[4] for node in graph.node if node.op_type == "BatchNormalization"}
    for tensor, node in fills.items():
        shape = tuple(map(int, numpy_helper.to_array(constants[node.input[0]])))
        values = rng.standard_normal(shape, np.float32) * np.float32(math.sqrt(2 / math.prod(shape[1:])))
        graph.initializer.append(numpy_helper.from_array(abs(values) if tensor in variances else values, tensor))
        graph.input.append(helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, shape))
    dropped = {node.input[0] for node in fills.values()}
    for items in (graph.initializer, graph.input):
        for index in reversed(range(len(items))):
            if items[index].name in dropped:
                del items[index]
    for index in reversed(range(len(graph.node))):
        if graph.node[index].output[0] in fills:
            del graph.node[index]
    return model
