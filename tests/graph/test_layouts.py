"""Layouts: which ZapConvs go to NHWC, one Transpose per tensor at the edges, and the same results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, checker, helper, numpy_helper

import zaponnx
from zaponnx.graph.converted import dense_output, zap_conv_name, zap_convs
from zaponnx.graph.editing import declare_operators
from zaponnx.graph.layouts import Layouts, exchange_nhwc
from zaponnx.operator.schema import register_schemas

ModelBuilder = Callable[..., onnx.ModelProto]
Converter = Callable[..., onnx.ModelProto]
Runner = Callable[..., list[Any]]

SHAPES = {"W0": (8, 4, 3, 3), "W": (8, 8, 3, 3), "D": (16, 8, 3, 3), "E": (16, 16, 3, 3), "P": (16, 8, 1, 1)}
CONV = "Conv<pads=[1,1,1,1]>"
DOWN = "Conv<pads=[1,1,1,1], strides=[2,2]>"
TO_NHWC, TO_NCHW = "Transpose[0, 2, 3, 1]", "Transpose[0, 3, 1, 2]"
ZAP, ADD = "ZapConvNhwc", "ZapConvResidualNhwc"

# The tensor s is dense and written by a Sigmoid, which has it in NCHW; t, u, v, w are written by ZapConvs.
T, U, V = (f"c{t} = {CONV}({s}, W) {t} = Relu(c{t})" for s, t in (("s", "t"), ("t", "u"), ("u", "v")))
BLOCK = f"{T} cu = {CONV}(t, W) au = Add(cu, s) u = Relu(au)"
BRANCHES = "<then_branch = yes () => (p) { p = Identity(t) }, else_branch = no () => (q) { q = Identity(u) }>"


def network(nodes: str, outputs: str = "y", size: str = "12,11") -> str:
    declared = ", ".join(f"float[N,m,h{name},w{name}] {name}" for name in outputs.split())
    return f"(float[N,4,{size}] x) => ({declared}) {{ [stem] c0 = {CONV}(x, W0) s = Sigmoid(c0) {nodes} }}"


REGIONS: dict[str, tuple[str, str, list[str]]] = {
    "a chain": (f"{T} {U} {V} y = Sigmoid(v)", "y", [TO_NHWC, ZAP, ZAP, ZAP, TO_NCHW, "Sigmoid"]),
    "a chain before a mean": (
        f"{T} {U} {V} n = Sigmoid(v) y = GlobalAveragePool(n)",
        "y",
        [TO_NHWC, ZAP, ZAP, TO_NCHW, "ZapConv", "Sigmoid", "GlobalAveragePool"],
    ),
    "a residual block": (f"{BLOCK} y = Sigmoid(u)", "y", [TO_NHWC, ZAP, ADD, TO_NCHW, "Sigmoid"]),
    "a chain of residual blocks": (
        f"{BLOCK} {V} cy = {CONV}(v, W) ay = Add(u, cy) y = Relu(ay)",
        "y",
        [TO_NHWC, ZAP, ADD, ZAP, ADD, TO_NCHW],
    ),
    "a downsampling block": (
        f"{BLOCK} cv = {DOWN}(u, D) v = Relu(cv) p = Conv<strides=[2,2]>(u, P) cw = {CONV}(v, E) aw = Add(cw, p) "
        f"w = Relu(aw) cz = {CONV}(w, E) z = Relu(cz) cy = {CONV}(z, E) ay = Add(cy, w) y = Relu(ay)",
        "y",
        [TO_NHWC, ZAP, ADD, TO_NCHW, ZAP, "Conv", TO_NHWC, ADD, ZAP, ADD, TO_NCHW],
    ),
    "read elsewhere, twice": (
        f"{T} {U} e = Sigmoid(t) f = Exp(t) y = Sum(e, f, u)",
        "y",
        [TO_NHWC, ZAP, TO_NCHW, ZAP, TO_NCHW, "Sigmoid", "Exp", "Sum"],
    ),
    "outputs of the model": (f"{T} {U}", "t u", [TO_NHWC, ZAP, TO_NCHW, ZAP, TO_NCHW]),
    "read in a subgraph": (
        f"{T} {U} {V} flag = Constant<value_int=1>() b = Cast<to=9>(flag) y = If(b){BRANCHES} z = Sigmoid(v)",
        "y z",
        [TO_NHWC, ZAP, TO_NCHW, ZAP, TO_NCHW, ZAP, TO_NCHW, "Constant", "Cast", "If", "Sigmoid"],
    ),
    "one tensor read by two": (
        f"{T} cu = {CONV}(s, W) u = Relu(cu) y = Concat<axis=1>(t, u)",
        "y",
        [TO_NHWC, ZAP, TO_NCHW, ZAP, TO_NCHW, "Concat"],
    ),
    "two regions": (
        f"{T} {U} r = Exp(u) cv = {CONV}(r, W) v = Relu(cv) cy = {CONV}(v, W) y = Relu(cy)",
        "y",
        [TO_NHWC, ZAP, ZAP, TO_NCHW, "Exp", TO_NHWC, ZAP, ZAP, TO_NCHW],
    ),
}

ALONE: dict[str, tuple[str, bool]] = {
    "between others": (f"{T} y = Sigmoid(t)", False),
    "as an output": (T.replace("t", "y"), False),
    "behind a conv": (f"d = {CONV}(s, W) {T.replace('(s', '(d')} y = Sigmoid(t)", True),
    "behind a conv with its activation": (
        f"d = {CONV}(s, W) n = Clip(d) {T.replace('(s', '(n')} y = Sigmoid(t)",
        True,
    ),
    "behind a sum of convs": (
        f"d = {CONV}(s, W) e = {CONV}(s, W) n = Add(d, e) {T.replace('(s', '(n')} y = Sigmoid(t)",
        True,
    ),
    "behind a sum with another": (f"d = {CONV}(s, W) n = Add(d, s) {T.replace('(s', '(n')} y = Sigmoid(t)", False),
    "behind a pool": (f"d = MaxPool<kernel_shape=[3,3]>(s) {T.replace('(s', '(d')} y = Sigmoid(t)", True),
    "behind a conv that another reads": (f"d = {CONV}(s, W) {T.replace('(s', '(d')} e = Exp(d) y = Sum(t, e)", False),
    "behind a conv that a conv reads": (
        f"d = {CONV}(s, W) {T.replace('(s', '(d')} e = {CONV}(d, W) f = Exp(t) y = Sum(f, e)",
        True,
    ),
    "before a conv": (f"{T} y = {CONV}(t, W)", True),
    "before a pool": (f"{T} y = AveragePool<kernel_shape=[3,3]>(t)", True),
    "before two convs": (f"{T} d = {CONV}(t, W) e = {CONV}(t, W) y = Add(d, e)", False),
    "before a conv and others": (f"{T} d = {CONV}(t, W) e = Exp(t) y = Add(d, e)", False),
}


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def operators(model: onnx.ModelProto) -> list[str]:
    """Behind the stem; of Transposes, what they do."""
    return [
        node.op_type + (str(list(node.attribute[0].ints)) if node.op_type == "Transpose" else "")
        for node in model.graph.node[2:]
    ]


@pytest.fixture
def exchanged(build_model: ModelBuilder, convert: Converter) -> Callable[..., tuple[onnx.ModelProto, onnx.ModelProto]]:
    """The model that some nodes make, converted at threshold 0, and that in NHWC."""

    def make(nodes: str, outputs: str = "y", size: str = "12,11") -> tuple[onnx.ModelProto, onnx.ModelProto]:
        converted = convert(build_model(network(nodes, outputs, size), **SHAPES), (0.0,))
        after = copied(converted)
        layouts = exchange_nhwc(after)
        declare_operators(after)
        names = [node.op_type for node in after.graph.node]
        assert layouts == Layouts(sum(name.endswith("Nhwc") for name in names), names.count("Transpose"))
        return converted, after

    return make


def assert_same_results(before: onnx.ModelProto, after: onnx.ModelProto, run: Runner, *shape: int) -> None:
    """By the library bit for bit; the bodies' sums are not in the same order where ONNX Runtime merges Transposes."""
    shape = shape or (2, 4, 12, 11)
    for expected, actual in zip(run(before, shape, library=True), run(after, shape, library=True), strict=True):
        np.testing.assert_array_equal(actual, expected)
    for expected, actual in zip(run(before, shape), run(after, shape), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("nodes", "outputs", "expected"), REGIONS.values(), ids=REGIONS.keys())
def test_regions(exchanged: Callable[..., Any], run: Runner, nodes: str, outputs: str, expected: list[str]) -> None:
    before, after = exchanged(nodes, outputs)
    assert operators(after) == expected
    register_schemas()
    checker.check_model(after, full_check=True)
    assert_same_results(before, after, run)


@pytest.mark.parametrize(("nodes", "nhwc"), ALONE.values(), ids=ALONE.keys())
def test_a_zap_conv_alone(exchanged: Callable[..., Any], run: Runner, nodes: str, nhwc: bool) -> None:
    """It goes to NHWC beside dense convolutions and pools only, where its Transposes cost nothing."""
    before, after = exchanged(nodes)
    [node] = zap_convs(after)
    assert node.op_type == ("ZapConvNhwc" if nhwc else "ZapConv")
    assert nhwc or after == before
    assert_same_results(before, after, run)


def test_onnxruntime_merges_the_transposes_beside_dense_convolutions_and_pools(
    exchanged: Callable[..., Any], tmp_path: Path
) -> None:
    """What the pass relies on: the optimised graphs have the same nodes."""
    optimized = []
    # Sixteen channels, since the blocks have up to so many.
    nodes = f"d = {CONV}(s, D) c = {CONV}(d, E) t = Relu(c) p = MaxPool<kernel_shape=[3,3]>(t) y = {CONV}(p, E)"
    for model in exchanged(nodes):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        zaponnx.register(options)
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        optimized.append([node.op_type for node in onnx.load_model(tmp_path / "optimized.onnx").graph.node])
    nchw, nhwc = optimized
    assert {"ReorderInput", "ReorderOutput"} < set(nchw), "else nothing is tested here"
    assert sorted(name.removesuffix("Nhwc") for name in nhwc) == sorted(nchw)


@pytest.mark.parametrize("size", ["12,11", "H,W"])
def test_batch_and_size_may_change(exchanged: Callable[..., Any], run: Runner, size: str) -> None:
    before, after = exchanged(REGIONS["a downsampling block"][0], size=size)
    assert len(zap_convs(after)) == 6
    for shape in ((1, 4, 12, 11), (3, 4, 12, 11)) if size == "12,11" else ((1, 4, 7, 9), (3, 4, 16, 5)):
        assert_same_results(before, after, run, *shape)


def test_a_shape_that_only_nchw_tells_changes_nothing(
    build_model: ModelBuilder, convert: Converter, run: Runner
) -> None:
    """With a batch that has no name; the library chooses Winograd's transform by the size of the map."""
    text = network(f"{T} {U} {V} y = Sigmoid(v)", size="14,14")
    model = build_model(text, W0=(128, 4, 3, 3), W=(128, 128, 3, 3))
    model = onnx.shape_inference.infer_shapes(model)
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        value.type.tensor_type.shape.dim[0].Clear()
    before = convert(model, pattern="1")
    after = copied(before)
    assert exchange_nhwc(after).nhwc == 3
    declare_operators(after)
    assert_same_results(before, after, run, 1, 4, 14, 14)


@pytest.mark.parametrize("nodes", [REGIONS["two regions"][0], ALONE["between others"][0], ALONE["behind a conv"][0]])
def test_a_second_run_changes_nothing(exchanged: Callable[..., Any], nodes: str) -> None:
    _, after = exchanged(nodes)
    again = copied(after)
    assert exchange_nhwc(again) == Layouts(0, 0)
    assert again == after


def test_dense_models_are_left_alone(build_model: ModelBuilder) -> None:
    model = build_model(network(REGIONS["a chain"][0]), **SHAPES)
    dense = copied(model)
    assert exchange_nhwc(model) == Layouts(0, 0)
    assert model == dense


def test_names(build_model: ModelBuilder, convert: Converter) -> None:
    """A tensor keeps its name in NCHW; in NHWC it has a new one, which tells what it was."""
    model = build_model(network(f"{T} {U} y = Sigmoid(u)"), **SHAPES)
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "t/nhwc"))
    model.graph.node[2].name = "first"
    converted = convert(model)
    exchange_nhwc(converted)
    entering, first, second, leaving, _ = converted.graph.node[2:]
    assert (list(entering.input), list(entering.output)) == (["s"], ["s/nhwc"])
    assert (first.input[0], list(first.output)) == ("s/nhwc", ["t/nhwc_"])
    assert (second.input[0], list(second.output)) == ("t/nhwc_", ["u/nhwc"])
    assert (list(leaving.input), list(leaving.output)) == (["u/nhwc"], ["u"])
    assert [dense_output(node) for node in (first, second)] == ["t", "u"]
    assert [zap_conv_name(node) for node in (first, second)] == ["first", "cu"]


def test_what_is_about_a_tensor_that_is_gone_goes_and_all_else_stays(
    build_model: ModelBuilder, convert: Converter
) -> None:
    model = convert(build_model(network(f"{T} {U} y = Sigmoid(u)"), **SHAPES))
    graph = model.graph
    graph.value_info.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "stu")
    for name in "stu":
        graph.quantization_annotation.add(tensor_name=name)
    for node in graph.node:
        node.doc_string = f"about {node.output[0]}"
    before = copied(model).graph
    exchange_nhwc(model)
    assert [value.name for value in graph.value_info] == ["s", "u"]
    assert [annotation.tensor_name for annotation in graph.quantization_annotation] == ["s", "u"]
    assert [node.doc_string for node in graph.node if node.op_type != "Transpose"] == [
        node.doc_string for node in before.node
    ]
    for old, new in zip(zap_convs(convert(model)), zap_convs(model), strict=True):
        assert old.attribute == new.attribute
    assert graph.initializer == before.initializer
    assert (graph.input, graph.output) == (before.input, before.output)


def test_only_the_operators_used_have_bodies(exchanged: Callable[..., Any]) -> None:
    for nodes, names in (
        (f"{T} {U} y = Sigmoid(u)", ["ZapConvNhwc"]),
        (f"{BLOCK} y = Sigmoid(u)", ["ZapConvNhwc", "ZapConvResidualNhwc"]),
        (f"{T} {U} r = Exp(u) cv = {CONV}(r, W) v = Relu(cv) y = Sigmoid(v)", ["ZapConv", "ZapConvNhwc"]),
    ):
        _, after = exchanged(nodes)
        assert [function.name for function in after.functions] == names
        assert [entry.domain for entry in after.opset_import] == ["", "zaponnx"]
