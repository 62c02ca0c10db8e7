"""The layers around the convolutions of random CNNs: pools, merges, resizing, heads, subgraphs, functions."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.property.builder import Builder, Value
from tests.property.layers import batch_norm

MAX_SIZE = 16
"""Rows and columns that are not enlarged any more."""


def pool(net: Builder) -> None:
    """A MaxPool or AveragePool of any kind."""
    data = net.value()
    size, stride = net.one_of((2, 2), (3, 2), (3, 1), (2, 1))
    if min(data.shape[1:]) < size:
        return
    pads = net.one_of(0, 1) if size == 3 else 0
    attributes = {"kernel_shape": [size, size], "strides": [stride, stride], "pads": [pads] * 4}
    operator = net.one_of("MaxPool", "AveragePool")
    over = 0
    if net.opset >= 10 and pads == 0 and net.maybe():
        attributes["ceil_mode"] = 1
        over = stride - 1
    if operator == "AveragePool" and net.maybe():
        attributes["count_include_pad"] = 1
    rows, columns = ((dim + 2 * pads - size + over) // stride + 1 for dim in data.shape[1:])
    net.add(operator, [data.name], (data.shape[0], rows, columns), **attributes)


def elementwise(net: Builder) -> None:
    """A node that gives a tensor of the same shape."""
    data = net.value()
    channels = data.shape[0]
    operator = net.one_of(
        *("Sigmoid", "Relu", "Identity", "PRelu", "Softmax", "LRN", "InstanceNormalization", "BatchNormalization"),
        *("Neg", "Transpose"),
    )
    if operator == "BatchNormalization":
        batch_norm(net, data)
    elif operator == "PRelu":
        net.add(operator, [data.name, net.constant(net.random(channels, 1, 1))], data.shape)
    elif operator == "InstanceNormalization":
        parameters = [net.constant(net.random(channels) + np.float32(1)) for _ in range(2)]
        net.add(operator, [data.name, *parameters], data.shape)
    elif operator == "LRN":
        net.add(operator, [data.name], data.shape, size=3)
    elif operator == "Softmax":
        net.add(operator, [data.name], data.shape, axis=1)
    elif operator == "Transpose":
        rows, columns = data.shape[1:]
        net.add(operator, [data.name], (channels, columns, rows), perm=[0, 1, 3, 2])
    else:
        net.add(operator, [data.name], data.shape)


def merge(net: Builder) -> None:
    """Joins tensors of one size."""
    data = net.value()
    operator = net.one_of("Concat", "Add", "Mul")
    if operator == "Concat":
        others = [other for other in net.values if other.shape[1:] == data.shape[1:] and other.shape[0] < 16]
        parts = [data, *([net.one_of(*others)] if others else [])]
        net.add(
            operator, [part.name for part in parts], (sum(part.shape[0] for part in parts), *data.shape[1:]), axis=1
        )
    elif (other := net.like(data)) is not None:
        net.add(operator, [data.name, other.name], data.shape)


def attention(net: Builder) -> None:
    """A tensor weighted by what its channels' means say, as in squeeze-and-excitation."""
    data = net.value()
    squeezed = net.add("GlobalAveragePool", [data.name], (data.shape[0], 1, 1))
    weighed = net.node("Sigmoid", [squeezed.name])
    net.add("Mul", [data.name, weighed], data.shape)


def split(net: Builder) -> None:
    """The first half of the channels: a Split with two outputs, one of them unread."""
    data = net.value()
    half = data.shape[0] // 2
    if half * 2 != data.shape[0]:
        return
    sizes = {"split": [half, half]} if net.opset < 13 else {}
    inputs = [data.name, *([] if net.opset < 13 else [net.constant(np.array([half, half]))])]
    net.add("Split", inputs, (half, *data.shape[1:]), outputs=2, axis=1, **sizes)


def upsample(net: Builder) -> None:
    """Twice as many rows and columns, the nearest value in each."""
    data = net.value()
    channels, rows, columns = data.shape
    if max(rows, columns) * 2 > MAX_SIZE:
        return
    shape = (channels, 2 * rows, 2 * columns)
    if net.opset < 9:
        net.add("Upsample", [data.name], shape, scales=[1.0, 1.0, 2.0, 2.0])
        return
    inputs = [data.name]
    if net.opset >= 11:
        inputs.append(net.constant(np.zeros(0, np.float32)))
    inputs.append(net.constant(np.array([1, 1, 2, 2], np.float32)))
    net.add("Upsample" if net.opset == 9 else "Resize", inputs, shape)


def head(net: Builder) -> None:
    """Scores of five classes."""
    data = net.value()
    pooled = net.node("GlobalAveragePool", [data.name])
    features = net.node("Flatten", [pooled])
    parameters = [net.constant(array) for array in (net.random(5, data.shape[0]), net.random(5))]
    net.scores.append(net.node("Gemm", [features, *parameters], transB=1))


def branch(net: Builder) -> None:
    """An If whose branches read a tensor of the main graph; one of them may have a Conv of its own."""
    data = net.value()
    channels = data.shape[0]
    outer, result = data.name, net.new_name("then")
    then = [helper.make_node(net.one_of("Relu", "Identity"), [outer], [result])]
    if net.maybe():
        inner = net.new_name("inner")
        weights = net.initializer(net.random(channels, channels, 1, 1))
        then = [
            helper.make_node("Conv", [outer, weights], [inner], net.new_name("inner/conv")),
            helper.make_node("Relu", [inner], [result]),
        ]
    otherwise = net.new_name("else")
    branches = {
        "then_branch": _subgraph(then, result),
        "else_branch": _subgraph([helper.make_node("Sigmoid", [outer], [otherwise])], otherwise),
    }
    condition = net.constant(np.array(net.one_of(True, False)))
    net.add("If", [condition], data.shape, **branches)


def _subgraph(nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
    return helper.make_graph(
        nodes, output, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None, None, None, None])]
    )


def local_function(net: Builder) -> None:
    """A call of a function of the model's own, a Conv and a Relu. The upgrade takes none below opset 13."""
    if net.opset < 13:
        return
    data: Value = net.value()
    if not net.functions:
        nodes = [
            helper.make_node("Conv", ["a", "w"], ["c"], "conv in function"),
            helper.make_node("Relu", ["c"], ["b"]),
        ]
        opsets = [helper.make_opsetid("", net.opset)]
        net.functions.append(helper.make_function("local", "Block", ["a", "w"], ["b"], nodes, opsets))
    channels = data.shape[0]
    net.add("Block", [data.name, net.kernel(channels, channels, 1, 1)], data.shape, domain="local")
