"""Random CNNs: models of a few layers, with and without sites, in any form that ONNX has for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, defs, helper

from tests.property import layers, other_layers
from tests.property.builder import Array, Builder, Value
from zaponnx.traversal import graphs

OPSETS, IR_VERSIONS = range(7, 27), range(3, 14)
"""Those that onnxruntime 1.31 runs."""

NEWEST_OPSETS, NEWEST_IR_VERSIONS = range(7, defs.onnx_opset_version() + 1), range(3, onnx.IR_VERSION + 1)
"""Those that onnx knows."""

LAYERS = (
    *(layers.block, layers.residual_block, layers.two_convs) * 3,
    *(other_layers.pool, other_layers.elementwise, other_layers.merge, other_layers.attention, other_layers.split),
    *(other_layers.upsample, other_layers.head, other_layers.branch, other_layers.local_function),
)

NAMES_OF_CONVERT = ("W", "B", "P1", "p1", "P2", "p2", "nhwc")
"""What `convert` puts behind a tensor's name for its own ones."""

Dims = tuple[int | str | None, str | None, str | None]
"""The batch, height and width that the inputs declare; see `_shape`."""


@dataclass(frozen=True)
class Network:
    """A model and what to run it with.

    Attributes:
        model: The model. Its inputs may have dynamic dims.
        inputs: Values for its inputs.
    """

    model: onnx.ModelProto
    inputs: dict[str, Array]

    def __repr__(self) -> str:
        """The graph, without its numbers."""
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        values = (attribute.t for node in copy.graph.node for attribute in node.attribute if attribute.name == "value")
        for tensor in (*copy.graph.initializer, *values):
            tensor.ClearField("raw_data")
        shapes = {name: array.shape for name, array in self.inputs.items()}
        return f"Network of opset {copy.opset_import[0].version} run with {shapes}:\n{onnx.printer.to_text(copy)}"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """What hypothesis shows of an example that fails."""
        printer.text(repr(self))


@st.composite
def networks(draw: Callable[[st.SearchStrategy[Any]], Any], *, newest: bool = False) -> Network:
    """Networks of one or two inputs and of one to eight layers; with `newest`, also such as onnxruntime cannot run."""
    opset = draw(st.sampled_from([17, *(NEWEST_OPSETS if newest else OPSETS)]))
    batch = draw(st.integers(1, 3))
    dims = draw(st.sampled_from([("N", "H", "W"), (batch, None, None), (None, None, None), ("N", None, None)]))
    net = Builder(draw, opset, dims[0], np.random.default_rng(draw(st.integers(0, 99))))
    size = draw(st.sampled_from([(8, 8), (7, 7), (12, 5), (9, 10)]))
    inputs = [Value(f"x{index}", (draw(st.sampled_from([8, 3, 4])), *size)) for index in range(draw(st.integers(1, 2)))]
    net.values += inputs
    net.results += inputs
    for layer in draw(st.lists(st.sampled_from(LAYERS), min_size=1, max_size=8)):
        layer(net)
        net.results.append(net.values[-1])
    model = _model(net, inputs, dims, NEWEST_IR_VERSIONS if newest else IR_VERSIONS)
    if net.maybe():
        _take_name_of_convert(net, model)
    feeds = {value.name: net.rng.normal(size=(batch, *value.shape)).astype(np.float32) for value in inputs}
    return Network(model, feeds)


def _model(net: Builder, inputs: list[Value], dims: Dims, ir_versions: Sequence[int]) -> onnx.ModelProto:
    """The model of all nodes. Its outputs are what nothing reads, and maybe values in between."""
    read = {name for node in net.nodes for name in node.input}
    inner = [value.name for value in net.values[len(inputs) :]]
    outputs = [name for name in inner if name not in read or net.rarely()] + net.scores
    if not outputs:
        outputs = [net.add("Identity", [inputs[0].name], inputs[0].shape).name]
    graph = helper.make_graph(
        net.nodes,
        "net",
        [helper.make_tensor_value_info(value.name, TensorProto.FLOAT, _shape(value.shape, dims)) for value in inputs],
        [_output(net, name) for name in outputs],
        net.initializers,
        doc_string="a random network",
    )
    graph.value_info.extend(_output(net, name) for name in inner if name not in outputs and net.maybe())
    opsets = [helper.make_opsetid("ai.onnx" if net.rarely() else "", net.opset)]
    if net.functions:
        opsets.append(helper.make_opsetid("local", 1))
    versions = [version for version in ir_versions if version >= (8 if net.functions else 3)]
    ir_version = net.one_of(8, *versions)
    for tensor in graph.initializer:
        if ir_version == 3 or net.rarely():
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    model = helper.make_model(graph, opset_imports=opsets, functions=net.functions, ir_version=ir_version)
    helper.set_model_props(model, {"made by": "chance"})
    return model


def _shape(shape: tuple[int, int, int], dims: Dims) -> list[int | str | None]:
    """An input's declared shape. A batch that is a number goes with sizes that are fixed."""
    batch, rows, columns = dims
    return [batch, shape[0], *((rows, columns) if isinstance(rows, str) or batch is None else shape[1:])]


def _output(net: Builder, name: str) -> onnx.ValueInfoProto:
    """What is declared of an output: its rank, and its channels where it is no scores."""
    shapes = {value.name: [None, value.shape[0], None, None] for value in net.values}
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes.get(name, [None, None]))


def _take_name_of_convert(net: Builder, model: onnx.ModelProto) -> None:
    """Gives one tensor a name that `convert` would make for another."""
    outputs = [name for graph in graphs(model.graph) for node in graph.node for name in node.output]
    old = net.one_of(*outputs, *(tensor.name for tensor in model.graph.initializer))
    new = f"{net.one_of(*outputs)}/{net.one_of(*NAMES_OF_CONVERT)}"
    for graph in graphs(model.graph):
        for named in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            named.name = new if named.name == old else named.name
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]
