"""The layers of random CNNs: each adds one layer, in any of the forms that ONNX has for it, to a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.property.builder import Builder, Value

FLOAT_MAX = float(np.finfo(np.float32).max)


def block(net: Builder) -> None:
    """Conv → [BatchNormalization] → [scale] → [Add] → activation, with what changes nothing in between."""
    value = convolution(net, net.value())
    linear = [(), (batch_norm,), (scale,), (batch_norm, scale), (nothing,), (nothing, batch_norm, nothing)]
    for follow in net.one_of(*linear):
        value = follow(net, value)
    if net.one_of(False, True):
        value = addition(net, value)
    if net.maybe():
        value = nothing(net, value)
    activation(net, value)


def residual_block(net: Builder) -> None:
    """Two convs of the same shape, to whose result their input is added back, or a constant of each pixel."""
    value = net.value()
    inner = activation(net, convolution(net, value, same=True))
    back = batch_norm(net, convolution(net, inner, same=True))
    other = constant_map(net, value) if net.maybe() else value.name
    activation(net, net.add("Add", net.one_of([other, back.name], [back.name, other]), value.shape))


def two_convs(net: Builder) -> None:
    """A sum of two convs of one tensor, as at the end of a block that changes the channels."""
    value = net.value()
    channels = net.one_of(8, 4, 24)
    sides = [convolution(net, value, same=True, channels=channels) for _ in range(2)]
    activation(net, net.add("Add", [side.name for side in sides], sides[0].shape))


def convolution(net: Builder, data: Value, *, same: bool = False, channels: int = 0) -> Value:
    """A Conv of any kind; with `same`, one whose output is as large as its input."""
    before = data.shape[0]
    kernel = net.one_of((3, 3), (3, 3), (3, 3), (5, 5), (1, 1), (3, 2), (1, 3))
    strides = (1, 1) if same else net.one_of((1, 1), (2, 2), (1, 2))
    dilations = net.one_of((1, 1), (1, 1), (2, 2), (1, 2))
    reach = [(kernel[a] - 1) * dilations[a] + 1 for a in range(2)]
    sizes = data.shape[1:]
    attributes: dict[str, Any] = {}
    padding = "SAME" if same else net.one_of("SAME", "SAME_UPPER", "SAME_LOWER", "VALID", "any")
    if padding == "VALID" and any(reach[a] > sizes[a] for a in range(2)):
        padding = "SAME"
    if padding.startswith("SAME_"):
        dilations, reach = (1, 1), list(kernel)  # ONNX Runtime has no dilations with these
    if padding.startswith("SAME_") or padding == "VALID":
        attributes["auto_pad"] = padding
        pads = [0, 0, 0, 0]
    elif padding == "SAME":
        pads = [(r - 1) // 2 for r in reach] + [r // 2 for r in reach]
    else:
        pads = [net.one_of(*range(r)) for r in (*reach, *reach)]
        if any(sizes[a] + pads[a] + pads[a + 2] < reach[a] for a in range(2)):
            pads = [r - 1 for r in (*reach, *reach)]
    if padding.startswith("SAME_"):
        size = [-(-sizes[a] // strides[a]) for a in range(2)]
    else:
        size = [(sizes[a] + pads[a] + pads[a + 2] - reach[a]) // strides[a] + 1 for a in range(2)]
    after = channels or (before if same else net.one_of(8, 24, 4, 6))
    group = net.one_of(*(group for group in (1, 1, 1, 1, 2, before) if before % group == 0 and after % group == 0))
    for name, values, default in (
        ("strides", list(strides), [1, 1]),
        ("dilations", list(dilations), [1, 1]),
        ("pads", pads, [0, 0, 0, 0]),
        ("group", group, 1),
        ("kernel_shape", list(kernel), list(kernel)),
    ):
        if (values != default or net.maybe()) and not (name == "pads" and "auto_pad" in attributes):
            attributes[name] = values
    inputs = [data.name, net.kernel(after, before // group, *kernel)]
    if net.one_of(False, True):
        inputs.append("" if net.rarely() else net.constant(net.random(after)))
    return net.add("Conv", inputs, (after, size[0], size[1]), **attributes)


def batch_norm(net: Builder, data: Value) -> Value:
    """A BatchNormalization as of inference."""
    channels = data.shape[0]
    scale, shift, mean = (net.random(channels) + offset for offset in (np.float32(1), np.float32(0), np.float32(0)))
    variance = np.abs(net.random(channels)) + np.float32(0.5)
    parameters = [net.constant(array) for array in (scale, shift, mean, variance)]
    attributes = {"epsilon": 0.01} if net.maybe() else {}
    return net.add("BatchNormalization", [data.name, *parameters], data.shape, **attributes)


def scale(net: Builder, data: Value) -> Value:
    """A factor and a summand, of each channel or of all."""
    for operator in net.one_of(("Mul", "Add"), ("Div", "Sub"), ("Sub", "Mul"), ("Mul",)):
        shape = net.one_of((data.shape[0], 1, 1), (1, data.shape[0], 1, 1), (), (1,))
        operand = net.constant((net.rng.normal(size=shape) / 4 + 1).astype(np.float32))
        operands = [data.name, operand] if operator == "Div" else net.one_of([data.name, operand], [operand, data.name])
        data = net.add(operator, operands, data.shape)
    return data


def nothing(net: Builder, data: Value) -> Value:
    """A node that changes nothing."""
    operator = net.one_of("Identity", "Dropout", "Cast", "Transpose", "Reshape")
    if operator == "Dropout":
        inputs = [data.name]
        if net.opset >= 12 and net.maybe():
            inputs += [net.constant(np.array(0.3, np.float32)), net.constant(np.array(False))]
        return net.add(operator, inputs, data.shape, outputs=net.one_of(1, 2))
    if operator == "Cast":
        return net.add(operator, [data.name], data.shape, to=1)
    if operator == "Transpose":
        nhwc = net.node(operator, [data.name], perm=[0, 2, 3, 1])
        return net.add(operator, [nhwc], data.shape, perm=[0, 3, 1, 2])
    if operator == "Reshape":
        return net.add(operator, [data.name, net.constant(np.array([0, *data.shape]))], data.shape)
    return net.add(operator, [data.name], data.shape)


def addition(net: Builder, data: Value) -> Value:
    """Adds a tensor of the same shape, or one that broadcasts: a constant, or the means of the channels of another."""
    channels = data.shape[0]
    other = net.like(data)
    means = [value.name for value in reversed(net.results) if value.shape[0] == channels]
    if means and net.maybe():
        operand = net.node("GlobalAveragePool", [means[0]])
    elif other is None or net.maybe():
        shape = net.one_of((1, channels, 1, 1), (channels, 1, 1), (), (1,))
        operand = net.constant(net.rng.normal(size=shape).astype(np.float32))
    else:
        operand = constant_map(net, data) if net.maybe() else other.name
    operands = net.one_of([data.name, operand], [operand, data.name])
    if net.rarely():
        operands = [data.name, data.name]
    if net.opset >= 8 and net.maybe():  # before, it does not broadcast
        operands += [operand] if net.maybe() else []
        return net.add("Sum", operands, data.shape)
    return net.add("Add", operands, data.shape)


def constant_map(net: Builder, data: Value) -> str:
    """A constant that differs from pixel to pixel, of the shape of a tensor or one that broadcasts to it."""
    _, rows, columns = data.shape
    whole = (net.batch if isinstance(net.batch, int) else 1, *data.shape)
    shape = net.one_of(whole, whole, data.shape, (rows, 1), (1, 1, 1, columns))
    return net.constant(net.rng.normal(size=shape).astype(np.float32))


def activation(net: Builder, data: Value) -> Value:
    """ReLU or ReLU6 in one of their forms, or an activation that is none of these."""
    form = "none" if net.rarely() else net.one_of("Relu", "Relu", "Relu", "Clip", "Min, Max", "Relu, Min", "other")
    if form == "none":
        return data
    if form == "other":
        return net.add(net.one_of("LeakyRelu", "Sigmoid", "Tanh", "Elu"), [data.name], data.shape)
    low, high = net.one_of((0.0, 6.0), (0.0, 0.5), (0.0, FLOAT_MAX), (0.0, None), (0.0, 6.0), (-1.0, 1.0), (None, 6.0))
    if form == "Clip" or ("Min" in form and net.opset < 8):  # before opset 8, Min and Max do not broadcast
        return clip(net, data, low, high)
    if form == "Relu":
        return net.add("Relu", [data.name], data.shape)
    if form == "Relu, Min":
        return bounded(net, "Min", net.add("Relu", [data.name], data.shape), high)
    for operator, bound in net.one_of((("Max", low), ("Min", high)), (("Min", high), ("Max", low))):
        data = bounded(net, operator, data, bound)
    return data


def clip(net: Builder, data: Value, low: float | None, high: float | None) -> Value:
    """A Clip with its bounds in attributes or in inputs."""
    if net.opset < 11:
        bounds = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
        return net.add("Clip", [data.name], data.shape, **bounds)
    inputs = ["" if bound is None else net.constant(np.array(bound, np.float32)) for bound in (low, high)]
    return net.add("Clip", [data.name, *(inputs if high is not None else inputs[:1])], data.shape)


def bounded(net: Builder, operator: str, data: Value, bound: float | None) -> Value:
    """A Min or Max with a constant."""
    if bound is None:
        return data
    shape = net.one_of((), (1,), (1, 1, 1, 1), (data.shape[0], 1, 1))
    operand = net.constant(np.full(shape, bound, np.float32))
    return net.add(operator, net.one_of([data.name, operand], [operand, data.name]), data.shape)
