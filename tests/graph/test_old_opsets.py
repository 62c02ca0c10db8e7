"""Old opsets: what operators meant before 13 they mean after the upgrade, and all names stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, checker, helper, numpy_helper

from zaponnx.errors import ModelError
from zaponnx.graph.finding import find_sites
from zaponnx.graph.upgrading import opset_version, upgrade

ModelBuilder = Callable[..., onnx.ModelProto]
Run = Callable[..., list[Any]]

OPSETS = range(7, 13)

CONSTANTS = {
    "scales": np.array([1, 1, 2, 3], np.float32),
    "roi": np.zeros(0, np.float32),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "starts": np.array([1, 1]),
    "ends": np.array([100, 100]),
    "axes": np.array([2, 3]),
    "low": np.float32(0),
    "high": np.float32(6),
    "ratio": np.float32(0.5),
    "scores": np.array([0, -1]),
}


def nodes(opset: int) -> str:
    """A network with the operators that have changed since opset 7, each as it was in an opset."""
    spatial = ", spatial=1" if opset < 9 else ""
    clip = "Clip<min=0.0, max=6.0>(added)" if opset < 11 else "Clip(added, low, high)"
    dropout = "Dropout<ratio=0.5>(second)" if opset < 12 else "Dropout(second, ratio)"
    resize = {
        range(7, 9): 'Upsample<mode="linear", scales=[1.0, 1.0, 2.0, 3.0]>(dropped)',
        range(9, 10): 'Upsample<mode="linear">(dropped, scales)',
        range(10, 11): 'Resize<mode="linear">(dropped, scales)',
        range(11, 13): 'Resize<mode="linear", coordinate_transformation_mode="align_corners">(dropped, roi, scales)',
    }
    resized = next(text for opsets, text in resize.items() if opset in opsets)
    pad = "Pad<pads=[0, 0, 1, 1, 0, 0, 1, 1]>(shares)" if opset < 11 else "Pad(shares, pads)"
    slice_ = "Slice<axes=[2, 3], starts=[1, 1], ends=[100, 100]>(padded)"
    return f"""
        [n0] c0 = Conv<pads=[1,1,1,1]>(x, W0)
        [n1] normal = BatchNormalization<momentum=0.8{spatial}>(c0, var_a, b, b, var_a)
        [n2] first = Relu(normal)
        [n3] pooled = MaxPool<kernel_shape=[2,2], strides=[2,2]>(first)
        [n4] c1 = Conv<auto_pad="SAME_UPPER">(pooled, W1, b)
        [n5] added = Add(c1, pooled)
        [n6] second = {clip}
        [n7] dropped = {dropout}
        [n8] resized = {resized}
        [n9] c2 = Conv<pads=[1,1,1,1]>(resized, W1)
        [n10] third = Relu(c2)
        [n21] shares = Softmax<axis=1>(third)
        [n11] padded = {pad}
        [n12] sliced = {slice_ if opset < 10 else "Slice(padded, starts, ends, axes)"}
        [n13] averaged = GlobalAveragePool(sliced)
        [n14] flat = Flatten(averaged)
        [n15] rows = Reshape(flat, scores)
        [n16] logits = Gemm<transB=1>(rows, G, C)
        [n17] more = Unsqueeze<axes=[0]>(logits)
        [n18] same = Squeeze<axes=[0]>(more)
        [n19] y = Softmax(same)
        [n20] sum = ReduceSum<axes=[1], keepdims=0>(y)"""


@pytest.fixture
def old_network(build_model: ModelBuilder) -> Callable[[int], onnx.ModelProto]:
    """A network of an opset below 13, of IR version 3 below opset 9."""

    def build(opset: int) -> onnx.ModelProto:
        shapes = {"W0": (8, 4, 3, 3), "W1": (8, 8, 3, 3), "G": (5, 8), "C": (5,), "b": (8,), "var_a": (8,)}
        text = f"(float[N,4,12,11] x) => (float[N,5] y, float[N] sum, float[N,8,12,15] resized) {{ {nodes(opset)} }}"
        model = build_model(text, opset=opset, ir_version=3 if opset < 9 else 8, **shapes)
        read = {name for node in model.graph.node for name in node.input}
        model.graph.initializer.extend(
            numpy_helper.from_array(values, name) for name, values in CONSTANTS.items() if name in read
        )
        if opset < 9:
            for tensor in model.graph.initializer:
                model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        for node in model.graph.node:
            node.doc_string = f"about {node.name}"
        checker.check_model(model, full_check=True)
        return model

    return build


@pytest.mark.parametrize("opset", OPSETS)
def test_networks_compute_the_same(old_network: Callable[[int], onnx.ModelProto], run: Run, opset: int) -> None:
    model = old_network(opset)
    expected = run(model)
    sites = find_sites(model)
    upgraded, _ = upgrade(model)
    checker.check_model(upgraded, full_check=True)
    assert opset_version(upgraded, "test") == 13
    assert len(sites[0]) == 2
    assert find_sites(upgraded) == sites
    for before, after in zip(expected, run(upgraded), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("opset", OPSETS)
def test_all_names_stay(old_network: Callable[[int], onnx.ModelProto], opset: int) -> None:
    """So that a calibration fits, and so do a user's own tools. The converter's own nodes have no names."""
    before = old_network(opset)
    graph = upgrade(old_network(opset))[0].graph
    after = {node.output[0]: node for node in graph.node}
    for node in before.graph.node:
        assert (after[node.output[0]].name, after[node.output[0]].doc_string) == (node.name, node.doc_string)
    assert sorted(node.name for node in graph.node if node.name) == sorted(node.name for node in before.graph.node)
    assert [value.name for value in graph.input] == ["x"]
    assert graph.output == before.graph.output
    weights = {tensor.name for tensor in graph.initializer}
    assert weights >= {"W0", "W1", "G", "C", "b", "var_a", "scores"}


def test_names_stay_in_subgraphs(build_model: ModelBuilder, run: Run) -> None:
    """A branch that reads what an Upsample wrote, which becomes a Resize of another output."""
    text = """(float[N,4,12,11] x) => (float[N,4,24,33] y) {
        [up] u = Upsample<mode="nearest">(x, scales)
        sum = ReduceSum<keepdims=0>(x)
        positive = Greater(sum, zero)
        y = If(positive)<
            then_branch = one () => (float[N,4,24,33] a) { a = Relu(u) },
            else_branch = other () => (float[N,4,24,33] b) { [split] b = Softmax<axis=1>(u) }> }"""
    model = build_model(text, opset=9)
    for name, values in (("scales", CONSTANTS["scales"]), ("zero", np.float32(0))):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    [expected] = run(model)
    upgraded, _ = upgrade(model)
    assert [node.name for node in upgraded.graph.node if node.output[0] == "u"] == ["up"]
    np.testing.assert_array_equal(run(upgraded)[0], expected)


def test_what_the_converter_infers_is_left_out(old_network: Callable[[int], onnx.ModelProto]) -> None:
    model = old_network(9)
    model.graph.value_info.append(helper.make_tensor_value_info("first", TensorProto.FLOAT, ["N", 8, 12, 11]))
    assert [value.name for value in upgrade(model)[0].graph.value_info] == ["first"]


def test_statistics_per_pixel_are_refused(build_model: ModelBuilder) -> None:
    text = "(float[N,4,3,3] x) => (float[N,4,3,3] y) { y = BatchNormalization<spatial=0>(x, var, var, var, var) }"
    with pytest.raises(ModelError, match=r"opset 8 cannot be upgraded to 13: .*spatial.*; export it with opset 13"):
        upgrade(build_model(text, opset=8, var=(4, 3, 3)))


def test_weights_may_stay_on_disk(old_network: Callable[[int], onnx.ModelProto]) -> None:
    """The converter passes references on."""
    model = old_network(9)
    weights = model.graph.initializer[1]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "/nowhere/data"), ("offset", "4096"), ("length", "2304")):
        weights.external_data.add(key=key, value=value)
    expected = TensorProto()
    expected.CopyFrom(weights)
    assert upgrade(model)[0].graph.initializer[1] == expected
