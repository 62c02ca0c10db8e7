"""What is no part of a site stays in the file: every field that ONNX has for models, graphs and nodes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import pytest
from google.protobuf.message import Message
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from zaponnx.graph.converted import zap_convs
from zaponnx.models import load_model
from zaponnx.operator import DOMAIN
from zaponnx.weights import LARGE

OF_THE_SITES = {"c1", "r1", "c2", "a", "r2"}
"""What the nodes write that become ZapConvs."""

FUNCTION = """<domain: "local", opset_import: ["": 17]> Twice <k> (v) => (w) { w = Add(v, v) }"""


def annotate(items: Iterable[Message]) -> None:
    for item in items:
        item.doc_string = "text"
        item.metadata_props.add(key="key", value="value")


def fill(model: ModelProto) -> None:
    """Sets every field of the model, its graph and its nodes, but for those that a Conv or a Relu cannot have."""
    graph = model.graph
    model.ir_version = 11
    model.producer_name, model.producer_version, model.domain, model.doc_string = "maker", "1.2", "org.test", "text"
    model.model_version = 7
    model.opset_import.append(helper.make_opsetid("com.other", 3))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.append(parser.parse_function(FUNCTION))
    model.functions[0].overload = "plain"
    model.configuration.add(name="devices", num_devices=2)
    training = model.training_info.add()
    training.algorithm.CopyFrom(helper.make_graph([helper.make_node("Neg", ["W0"], ["n"])], "step", [], []))
    training.update_binding.add(key="W0", value="n")
    twice = helper.make_node("Twice", ["y"], ["z"], name="twice", domain="local", overload="plain", k=1)
    graph.node.append(twice)
    graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 8, 12, 12]))
    graph.input.append(helper.make_tensor_value_info("unused", TensorProto.INT64, []))
    graph.value_info.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, ["N", 8, 12, 12]))
    graph.value_info[0].type.denotation = "IMAGE"
    graph.initializer.append(numpy_helper.from_array(np.ones(LARGE, np.float32), "unread"))
    graph.quantization_annotation.add(tensor_name="s").quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="W0")
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    graph.sparse_initializer.add(dims=[3], values=values, indices=numpy_helper.from_array(np.array([1])))
    for node in graph.node:
        node.device_configurations.add(configuration_id="devices")
    annotate([*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer])
    graph.doc_string = "text"
    for entry in (model, graph, model.functions[0]):
        entry.metadata_props.add(key="key", value="value")


def unset(message: Message) -> set[str]:
    return {field.name for field in message.DESCRIPTOR.fields} - {field.name for field, _ in message.ListFields()}


@pytest.mark.parametrize("external_data", [False, True])
def test_every_field_is_kept(make_files, external_data: bool) -> None:
    files = make_files(edit=fill, external_data=external_data)
    assert len(files.convert(epsilon=1.0, layout="nchw").converted) == 2
    before, after = onnx.load_model(files.model), onnx.load_model(files.output)
    assert unset(before) == unset(before.graph) == set()
    assert unset(before.graph.node[-1]) == set()

    for field, value in before.ListFields():
        kept = getattr(after, field.name)
        if field.name == "opset_import":
            assert list(kept) == [*value, helper.make_opsetid(DOMAIN, 1)]
        elif field.name == "functions":
            assert [function for function in kept if function.domain != DOMAIN] == list(value)
        elif field.name == "metadata_props":
            assert [entry for entry in kept if not entry.key.startswith("zaponnx.")] == list(value)
        elif field.name != "graph":
            assert kept == value, field.name

    for field, value in before.graph.ListFields():
        kept = getattr(after.graph, field.name)
        if field.name == "node":
            others = [node for node in after.graph.node if node.domain != DOMAIN]
            assert others == [node for node in value if node.output[0] not in OF_THE_SITES]
        elif field.name == "initializer":
            names = {tensor.name for tensor in value}
            assert [tensor for tensor in kept if tensor.name in names] == list(value)
        else:
            assert kept == value, field.name


def test_a_zap_conv_has_what_its_conv_had(make_files) -> None:
    files = make_files(edit=fill)
    files.convert(epsilon=1.0)
    convs = {node.name: node for node in onnx.load_model(files.model).graph.node if node.op_type == "Conv"}
    for node in zap_convs(load_model(files.output, "test")):
        assert node.doc_string == "text"
        assert node.metadata_props == convs[node.name].metadata_props


@pytest.mark.parametrize("layout", ["auto", "nchw"])
def test_dims_stay_dynamic_with_several_inputs_and_outputs(make_files, layout: str) -> None:
    def edit(model: ModelProto) -> None:
        shape = ["N", 8, "H", "W"]
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4, "H", "W"]))
        model.graph.input.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, [1]))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, shape))
        for name, dims in (("r1", shape), ("shifted", shape)):
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        model.graph.node.append(helper.make_node("Add", ["r2", "bias"], ["shifted"]))

    files = make_files(edit=edit)
    report = files.convert(epsilon=1.0, layout=layout)
    assert [site.name for site in report.converted] == ["first", "second"]
    before, after = onnx.load_model(files.model).graph, onnx.load_model(files.output).graph
    assert (after.input, after.output) == (before.input, before.output)
