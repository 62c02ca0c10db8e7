"""Constants: weights and biases that nodes make of constants, by any operator that only fills, moves or casts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zaponnx.graph.constants import constant
from zaponnx.graph.converted import zap_convs
from zaponnx.graph.finding import find_sites
from zaponnx.graph.surgery import import_graph

ModelBuilder = Callable[..., onnx.ModelProto]

SHAPE = "shape = Constant<value_ints=[0, 8, -1, 3]>()"
WEIGHTS = {
    "initializer": ("", "W", 17),
    "identities": ("i = Identity(W) V = Identity(i)", "W", 17),
    "transpose": ("V = Transpose<perm=[3, 0, 1, 2]>(hwi)", "y/W", 17),
    "transpose without axes": ("V = Transpose(iwh)", "y/W", 17),
    "reshape": (f"{SHAPE} V = Reshape(flat, shape)", "y/W", 17),
    "unsqueeze": ("axes = Constant<value_ints=[-2]>() V = Unsqueeze(cube, axes)", "y/W", 17),
    "unsqueeze of old opsets": ("V = Unsqueeze<axes=[2]>(cube)", "y/W", 9),
    "squeeze": ("axes = Constant<value_ints=[1]>() a = Unsqueeze(W, axes) V = Squeeze(a, axes)", "y/W", 17),
    "squeeze of all": ("axes = Constant<value_ints=[4]>() a = Unsqueeze(W, axes) V = Squeeze(a)", "y/W", 17),
    "squeeze of old opsets": ("a = Unsqueeze<axes=[0]>(W) V = Squeeze<axes=[0]>(a)", "y/W", 9),
    "cast": ("a = Cast<to=11>(W) b = Cast<to=10>(a) V = Cast<to=1>(b)", "y/W", 17),
    "filled": (
        "shape = Constant<value = int64[4] {8, 8, 3, 3}>() V = ConstantOfShape<value = float[1] {0.05}>(shape)",
        "y/W",
        9,
    ),
    "several": (f"{SHAPE} i = Identity(flat) r = Reshape(i, shape) V = Transpose<perm=[1, 0, 3, 2]>(r)", "y/W", 17),
}


@pytest.mark.parametrize(("nodes", "name", "opset"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_weights(network: ModelBuilder, assert_equal: ModelBuilder, nodes: str, name: str, opset: int) -> None:
    """They become initializers, except for those that are, and the nodes go."""
    weights = "V" if nodes else "W"
    shapes = {"hwi": (8, 3, 3, 8), "iwh": (3, 3, 8, 8), "flat": (8, 72), "cube": (8, 8, 9)}
    conv = f"[conv] c = Conv(s, {weights}) y = Relu(c)"
    converted = assert_equal(network(f"{nodes} {conv}", opset=opset, **shapes))
    assert [node.op_type for node in converted.graph.node] == ["Conv", "Relu", "ZapConv"]
    assert zap_convs(converted)[0].input[1] == name


@pytest.mark.parametrize(
    "bias",
    [
        "B = Constant<value = float[8] {1.0, -1.0, 0.5, 2.0, 0.0, 0.0, 1.5, 0.25}>()",
        "B = Constant<value_floats=[1.0, -1.0, 0.5, 2.0, 0.0, 0.0, 1.5, 0.25]>()",
        "n = Constant<value_ints=[8]>() B = ConstantOfShape(n)",
        "B = Identity(shift)",
    ],
)
def test_bias(network: ModelBuilder, assert_equal: ModelBuilder, bias: str) -> None:
    nodes = f"{bias} [conv] c = Conv<pads=[1,1,1,1]>(s, W, B) y = Relu(c)"
    converted = assert_equal(network(nodes))
    assert zap_convs(converted)[0].input[2] == ("shift" if "Identity" in bias else "y/B")


VALUES = {
    "value_float": (1.5, np.array(1.5, np.float32)),
    "value_floats": ([1.5, 2.5], np.array([1.5, 2.5], np.float32)),
    "value_int": (3, np.array(3, np.int64)),
    "value_ints": ([3, 4], np.array([3, 4], np.int64)),
    "value": (numpy_helper.from_array(np.arange(3, dtype=np.int32)), np.arange(3, dtype=np.int32)),
    "value_string": ("text", None),
    "value_strings": (["a", "b"], None),
    "sparse_value": (
        helper.make_sparse_tensor(
            helper.make_tensor("v", TensorProto.FLOAT, [1], [2.0]),
            helper.make_tensor("i", TensorProto.INT64, [1], [0]),
            [3],
        ),
        None,
    ),
}


@pytest.mark.parametrize(("attribute", "value"), [(key, VALUES[key]) for key in VALUES], ids=VALUES.keys())
def test_constant_nodes(attribute: str, value: tuple[object, np.ndarray | None], capsys: pytest.CaptureFixture) -> None:
    """Every attribute of Constant: numbers have values, strings and sparse tensors have none."""
    node = helper.make_node("Constant", [], ["k"], **{attribute: value[0]})
    output = helper.make_tensor_value_info("k", TensorProto.FLOAT, None)
    graph = import_graph(helper.make_model(helper.make_graph([node], "net", [], [output])))
    found = constant(graph.outputs[0])
    if value[1] is None:
        assert found is None
    else:
        assert found is not None
        assert found.values.dtype == value[1].dtype
        np.testing.assert_array_equal(found.values, value[1])
    assert capsys.readouterr().out == ""


REFUSED = {
    "arithmetic": "V = Exp(W)",
    "a shape that is an input": "V = Reshape(W, e)",
    "a filling of an input's shape": "V = ConstantOfShape(e)",
    "shapes that do not fit": "n = Constant<value_ints=[7]>() V = Reshape(W, n)",
    "a size of an axis that is not there": "n = Constant<value_ints=[8, 8, 3, 3, 0]>() V = Reshape(W, n)",
    "a negative size": "n = Constant<value_ints=[8, 8, -3, 3]>() V = ConstantOfShape(n)",
    "another domain": "V = other.Identity(W)",
}


@pytest.mark.parametrize("nodes", REFUSED.values(), ids=REFUSED.keys())
def test_refusals(network: ModelBuilder, nodes: str) -> None:
    model = network(f"{nodes} [conv] c = Conv(s, V) y = Relu(c)", inputs="int64[r] e,", var0=())
    model.opset_import.append(helper.make_opsetid("other", 1))
    sites, refusals = find_sites(model)
    assert sites == []
    assert refusals[1].reason == "its weights are computed or an input, not constant"


def test_sparse_initializers_are_refused(network: ModelBuilder) -> None:
    model = network("[conv] c = Conv(s, V) y = Relu(c)")
    values = helper.make_tensor("V", TensorProto.FLOAT, [1], [2.0])
    indices = helper.make_tensor("V_indices", TensorProto.INT64, [1], [5])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [8, 8, 3, 3]))
    assert find_sites(model)[1][1].reason == "its weights are computed or an input, not constant"


def test_constants_that_other_nodes_read_stay(network: ModelBuilder, assert_equal: ModelBuilder) -> None:
    nodes = "V = Transpose<perm=[1, 0, 2, 3]>(W) [conv] c = Conv<pads=[1,1,1,1]>(s, V) r = Relu(c) y = Conv(r, V)"
    converted = assert_equal(network(nodes))
    assert [node.op_type for node in converted.graph.node] == ["Conv", "Relu", "Transpose", "ZapConv", "Conv"]


@pytest.mark.parametrize(
    "nodes",
    [
        "V = ConstantOfShape<value = float[1] {0.05}>(same) d = Conv<pads=[1,1,1,1]>(s, V)",
        "V = Reshape(flat, same) d = Conv<pads=[1,1,1,1]>(s, V)",
        "two = Constant<value_ints=[1, 2]>() twice = Identity(two) V = Unsqueeze(shift, twice) d = Add(s, V)",
    ],
)
def test_shapes_behind_them_are_known(network: ModelBuilder, assert_equal: ModelBuilder, nodes: str) -> None:
    """Where ONNX's inference does not follow the shape that they are given, and before they become initializers."""
    text = (
        f"shape = Constant<value_ints=[8, 8, 3, 3]>() same = Identity(shape) {nodes} r = Sigmoid(d) CONV a = Add(c, r)"
    )
    converted = assert_equal(network(f"{text} y = Relu(a)", flat=(8, 72)))
    assert zap_convs(converted)[0].op_type == "ZapConvResidual"
