"""Old models are upgraded, nothing is lost on the way, and new ones stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, checker, helper

from zaponnx.errors import ModelError
from zaponnx.graph.finding import find_sites
from zaponnx.graph.upgrading import opset_version, upgrade

ModelBuilder = Callable[..., onnx.ModelProto]

TEXT = """(float[N,4,12,12] x) => (float[N,8,12,12] y) {
    [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)
    [conv] c = Conv<pads=[1,1,1,1]>(s, W) n = BatchNormalization(c, v, v, v, v) y = Clip<min=0.0, max=6.0>(n) }"""


def old_model(build_model: ModelBuilder, opset: int, ir_version: int) -> onnx.ModelProto:
    shapes = {"W0": (8, 4, 3, 3), "W": (8, 8, 3, 3), "v": (8,), "unused": (3,)}
    model = build_model(TEXT, opset=opset, ir_version=ir_version, **shapes)
    if ir_version == 3:
        for tensor in model.graph.initializer:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    checker.check_model(model)
    return model


@pytest.mark.parametrize(("opset", "ir_version"), [(7, 3), (9, 4), (10, 5), (10, 10)])
def test_sites_stay_the_same(build_model: ModelBuilder, opset: int, ir_version: int) -> None:
    model = old_model(build_model, opset, ir_version)
    upgraded, changes = upgrade(model)
    assert opset_version(upgraded, "test") == 13
    assert upgraded.ir_version == max(ir_version, 8)
    assert f"opset {opset} to 13" in changes
    assert ("IR version" in changes) == (ir_version < 8)
    assert find_sites(upgraded) == find_sites(model)
    assert [value.name for value in upgraded.graph.input] == ["x"]
    assert [tensor.name for tensor in upgraded.graph.initializer] == ["W0", "W", "v", "unused"]
    checker.check_model(upgraded, full_check=True)


def test_nothing_is_lost(build_model: ModelBuilder) -> None:
    model = old_model(build_model, 10, 10)
    graph = model.graph
    graph.value_info.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, ["N", 8, 12, 12]))
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.doc_string = "text"
        item.metadata_props.add(key="key", value="value")
    graph.metadata_props.add(key="graph", value="value")
    graph.quantization_annotation.add(tensor_name="s")
    graph.doc_string = model.doc_string = model.producer_name = model.domain = "text"
    model.model_version = 3
    model.training_info.add().algorithm.name = "training"
    helper.set_model_props(model, {"key": "value"})
    model.opset_import.append(helper.make_opsetid("com.other", 2))
    before = onnx.ModelProto()
    before.CopyFrom(model)
    after, _ = upgrade(model)
    for field in ("metadata_props", "training_info", "doc_string", "producer_name", "domain", "model_version"):
        assert getattr(after, field) == getattr(before, field), field
    for field in ("metadata_props", "quantization_annotation", "doc_string", "name", "input", "output", "initializer"):
        assert getattr(after.graph, field) == getattr(before.graph, field), field
    assert after.opset_import[1] == before.opset_import[1]
    kept = {node.output[0]: node for node in after.graph.node}
    for node in before.graph.node[:-1]:
        assert kept[node.output[0]] == node
    assert kept["y"].metadata_props == before.graph.node[-1].metadata_props
    assert next(value for value in after.graph.value_info if value.name == "s") == before.graph.value_info[0]


@pytest.mark.parametrize("opset", [13, 21])
def test_new_models_stay_as_they_are(build_model: ModelBuilder, opset: int) -> None:
    model = build_model(
        "(float[N,4,12,12] x) => (float[N,8,12,12] y) { y = Conv<pads=[1,1,1,1]>(x, W) }", opset=opset, W=(8, 4, 3, 3)
    )
    before = model.SerializeToString(deterministic=True)
    upgraded, changes = upgrade(model)
    assert changes == ""
    assert upgraded is model
    assert upgraded.SerializeToString(deterministic=True) == before


def test_functions_of_old_opsets_are_refused(build_model: ModelBuilder) -> None:
    """The version converter drops functions without a word."""
    model = old_model(build_model, 10, 8)
    nodes = [helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(helper.make_function("local", "F", ["a"], ["b"], nodes, [helper.make_opsetid("", 10)]))
    with pytest.raises(ModelError, match="functions of opset 10 cannot be upgraded"):
        upgrade(model)


def test_operators_that_the_converter_does_not_know_are_refused(build_model: ModelBuilder) -> None:
    model = build_model("(float[2,2] x) => (float[2,2] y) { y = Unheard(x) }", opset=7)
    with pytest.raises(ModelError, match="opset 7 cannot be upgraded to 13") as caught:
        upgrade(model)
    assert "\n" not in str(caught.value)
