"""Normalizes a model with random weights: every Conv and BatchNormalization gives channels of mean 0 and deviation 1.

So about half of a ReLU's outputs are positive, more behind a residual, and nothing explodes or dies, however deep the
network. The model is run on images node by node, each by ONNX Runtime, and its weights are changed on the way. What has
fewer than four pixels per channel, as in squeeze-and-excitation, stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from zaponnx.runtime import open_session, session_options
from zaponnx.weights import values as values_of

Array = npt.NDArray[Any]

_FEWEST_VALUES = 4
_BATCH_NORM_INPUTS = ("scale", "shift", "mean", "variance")


class _Weights:
    """The initializers of a model, as arrays that can be set; they may be on disk."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self._set: set[str] = set()

    def all(self) -> dict[str, Array]:
        return {name: values_of(tensor) for name, tensor in self._tensors.items()}

    def free(self, name: str) -> bool:
        """Whether it is an initializer that was not set yet: one that is shared is set for its first reader."""
        return name in self._tensors and name not in self._set

    def set(self, name: str, values: Array) -> None:
        self._set.add(name)
        self._tensors[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))


def normalize(model: onnx.ModelProto, feeds: Mapping[str, Array], seed: int) -> None:
    """Changes the weights of a model in place.

    Args:
        model: Any model whose nodes ONNX Runtime can run one by one.
        feeds: Its inputs.
        seed: Of the batch norms' scales.
    """
    graph = model.graph
    weights = _Weights(model)
    values = weights.all() | dict(feeds)
    readers = Counter(name for node in graph.node for name in node.input)
    batch_normed = {node.input[0] for node in graph.node if node.op_type == "BatchNormalization"}
    rng = np.random.default_rng(seed)
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            _set_batch_norm(node, weights, values, rng)
        _evaluate(node, model, values)
        if node.op_type == "Conv" and node.output[0] not in batch_normed:
            _set_conv(node, weights, values)
        for name in node.input:
            readers[name] -= 1
            if not readers[name]:
                values.pop(name, None)


def _set_batch_norm(
    node: onnx.NodeProto, weights: _Weights, values: dict[str, Array], rng: np.random.Generator
) -> None:
    """The statistics become those of the input, and the scale is about 1."""
    names = dict(zip(_BATCH_NORM_INPUTS, node.input[1:5], strict=True))
    data = values[node.input[0]]
    if not all(map(weights.free, names.values())) or data[:, 0].size < _FEWEST_VALUES:
        return
    axes = (0, *range(2, data.ndim))
    channels = data.shape[1]
    settings = {
        "scale": rng.uniform(0.8, 1.2, channels),
        "shift": np.zeros(channels),
        "mean": data.mean(axes),
        "variance": np.square(_deviation(data, axes)),
    }
    for key, name in names.items():
        weights.set(name, settings[key])
        values[name] = settings[key].astype(np.float32)


def _set_conv(node: onnx.NodeProto, weights: _Weights, values: dict[str, Array]) -> None:
    """Weights are divided by the output's deviation; the bias, if there is one, takes the mean away."""
    data = values[node.output[0]]
    weight, bias = node.input[1], node.input[2] if len(node.input) > 2 else ""
    if not weights.free(weight) or (bias and not weights.free(bias)) or data[:, 0].size < _FEWEST_VALUES:
        return
    axes = (0, *range(2, data.ndim))
    deviation = _deviation(data, axes)
    channel = (slice(None), *[None] * (data.ndim - 2))
    weights.set(weight, values[weight] / deviation[:, *[None] * (data.ndim - 1)])
    if bias:
        mean = data.mean(axes)
        weights.set(bias, (values[bias] - mean) / deviation)
        data = data - mean[channel]
    values[node.output[0]] = data / deviation[channel]


def _deviation(data: Array, axes: tuple[int, ...]) -> Array:
    """The standard deviation per channel; the mean one for channels that hardly vary."""
    deviation: Array = data.std(axes)
    typical = deviation.mean() or 1.0
    return np.where(deviation > 1e-2 * typical, deviation, typical)


def _evaluate(node: onnx.NodeProto, model: onnx.ModelProto, values: dict[str, Array]) -> None:
    """Adds the outputs of a node to the values."""
    names = [name for name in dict.fromkeys(node.input) if name]
    outputs = [name for name in node.output if name]
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values[name].dtype), values[name].shape)
        for name in names
    ]
    graph = helper.make_graph([node], "node", inputs, [onnx.ValueInfoProto(name=name) for name in outputs])
    single = helper.make_model(graph, opset_imports=model.opset_import, ir_version=max(model.ir_version, 4))
    session = open_session(single.SerializeToString(), session_options(threads=1), None, "coverage")
    results = session.run(outputs, {name: values[name] for name in names})
    values.update(zip(outputs, results, strict=True))
