"""Each ZapConv of a converted model as a model of its own, which reads what the original model computes.

In a chain of layers each hands on the differences of those before it, and a model may enlarge them: how far a tensor is
from the original's says little of the layer that writes it. By itself a layer is a sum of K products, of which it is
known what rounding explains. A channel may differ by

    ε / 2 · √K · (max |X| · Σ |W| + |B| + max |Z|),

W and B being its weights and its bias: no sum of products, on the way to the last one, is larger than the bracket, and
the roundings of the K additions, ε / 2 of such a sum at most, add up like a random walk. ResNet-18 and Inception
v3, of random weights, keep to an eighth of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from zaponnx.errors import ModelError
from zaponnx.graph.converted import dense_output, set_thresholds, zap_conv_name, zap_convs
from zaponnx.mapped_sessions import open_mapped
from zaponnx.operator import DOMAIN, NHWC_OPERATORS, TO_NCHW, TO_NHWC
from zaponnx.runtime import ort_errors, register, session_options
from zaponnx.tolerances import Array, differences, largest
from zaponnx.weights import values

_LARGEST_ROUNDING = float(np.finfo(np.float32).eps) / 2


@dataclass(frozen=True, eq=False)
class SingleLayer:
    """A ZapConv that reads the original's tensors.

    Attributes:
        node: As it is in the converted model.
        model: The ZapConv, at threshold −∞, and what is only there for it, as the Transposes before it are.
        reads: Its inputs, and the tensors of the original that they are.
        nhwc: Those inputs that are to be given in NHWC.
    """

    node: onnx.NodeProto
    model: onnx.ModelProto
    reads: Mapping[str, str]
    nhwc: Set[str]

    @property
    def output(self) -> str:
        """The tensor of the original that it writes."""
        return dense_output(self.node)

    def feeds(self, original: Mapping[str, Array]) -> dict[str, Array]:
        """Its inputs, given tensors of the original."""
        return {
            name: np.ascontiguousarray(original[tensor].transpose(TO_NHWC)) if name in self.nhwc else original[tensor]
            for name, tensor in self.reads.items()
        }

    def in_nchw(self, output: Array) -> Array:
        """What it writes, laid out as in the original."""
        return output.transpose(TO_NCHW) if self.node.op_type in NHWC_OPERATORS else output

    def allowed(self, feeds: Mapping[str, Array]) -> Array:
        """What its channels may differ by, (M, 1, 1)."""
        tensors = {tensor.name: values(tensor) for tensor in self.model.graph.initializer}
        weights, bias = (np.abs(tensors[name].astype(np.float64)) for name in self.node.input[1:3])
        read = max(map(largest, feeds.values()), default=0.0)
        residual = max((largest(tensors[name]) for name in tensors.keys() - set(self.node.input)), default=read)
        sums = read * weights.sum(axis=(1, 2, 3)) + bias + residual
        limit: Array = _LARGEST_ROUNDING * math.sqrt(math.prod(weights.shape[1:])) * sums
        return limit[:, None, None]


def single_layers(model: onnx.ModelProto, original: onnx.ModelProto) -> list[SingleLayer]:
    """The ZapConvs of a converted model, which read the original's tensors."""
    graph = original.graph
    known = {*(value.name for value in graph.input), *(name for node in graph.node for name in node.output)}
    written = {node.output[0]: node for node in zap_convs(model)}
    made = {name: node for node in model.graph.node for name in node.output}
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def single(node: onnx.NodeProto) -> SingleLayer:
        reads: dict[str, str] = {}
        makers = [node]
        used = {}
        pending = list(node.input)
        for name in pending:
            if name in tensors:
                used[name] = tensors[name]
            elif name in written or name in known:
                reads[name] = dense_output(written[name]) if name in written else name
            elif all(maker is not made[name] for maker in makers):
                makers.append(made[name])
                pending += made[name].input
        nhwc = {name for name in reads if name in written and written[name].op_type in NHWC_OPERATORS}
        return SingleLayer(node, _model(model, makers, list(reads), list(used.values())), reads, nhwc)

    return [single(node) for node in written.values()]


def check_layer(layer: SingleLayer, path: Path, original: Mapping[str, Array], runner: str) -> None:
    """Refuses a ZapConv that does not give what the original gives.

    Args:
        layer: The ZapConv.
        path: The converted model.
        original: The original's tensors.
        runner: What runs it, as in `zaponnx.verification.Verification`.

    Raises:
        ModelError: It differs by more than what rounding explains.
    """
    model = onnx.ModelProto()
    model.CopyFrom(layer.model)
    feeds = layer.feeds(original)
    with ort_errors("convert", str(path)):
        [output] = open_mapped(model, path, options_of(runner)).run(None, feeds)
    expected, actual, allowed = original[layer.output], layer.in_nchw(output), layer.allowed(feeds)
    found = differences(expected, actual) if expected.shape == actual.shape else np.array(math.nan)
    if not (found <= allowed).all():
        problem = f"at threshold −∞ it differs from the original by {found.max():.1e} on the same input"
        raise ModelError(
            "convert",
            f"{problem}, run by the {runner}, and rounding explains {allowed.max():.1e}",
            where=f"node '{zap_conv_name(layer.node)}'",
            remedy="calibrate again without the layer (--exclude)",
        )


def options_of(runner: str) -> Any:
    """Session options: with zaponnx's library if it is the runner."""
    options = session_options()
    if runner == "library":
        register(options)
    return options


def _model(
    model: onnx.ModelProto, makers: list[onnx.NodeProto], inputs: list[str], tensors: list[onnx.TensorProto]
) -> onnx.ModelProto:
    """Some nodes of a model: a ZapConv, the first one, and what makes its inputs."""
    given = {value.name: value for value in model.graph.input}
    unknown = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node for node in model.graph.node if any(node is maker for maker in makers)],
        "layer",
        [given.get(name) or onnx.helper.make_tensor_value_info(name, unknown, None) for name in inputs],
        [onnx.helper.make_tensor_value_info(makers[0].output[0], unknown, None)],
        tensors,
    )
    set_thresholds(graph.node[-1], -math.inf)
    single = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    single.functions.extend(function for function in model.functions if function.domain == DOMAIN)
    return single
