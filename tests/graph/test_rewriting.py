"""Rewriting: ZapConv in the place of each site, equal at threshold −∞, and everything else untouched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, checker, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from zaponnx.artifacts import Predictor
from zaponnx.graph.converted import attributes, zap_conv_name, zap_convs
from zaponnx.graph.finding import find_matches, find_sites
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.patterns import Pattern

ModelBuilder = Callable[..., onnx.ModelProto]
Converter = Callable[..., onnx.ModelProto]
Runner = Callable[..., list[Any]]

STEM = "float[N,4,12,11] x) => (float[N,8,h,w] y) { [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)"
CONV = "[conv] c = Conv<pads=[1,1,1,1]>(s, W)"
BATCH_NORM = "BatchNormalization<epsilon=0.01>(c, scale, shift, mean, var)"
SHAPES = {"W0": (8, 4, 3, 3), "W": (8, 8, 3, 3)}
STATISTICS = {"scale": (8,), "shift": (8,), "mean": (8,), "var": (8,)}


EQUAL = {
    "plain": (f"{CONV} y = Relu(c)", SHAPES),
    "bias": ("[conv] c = Conv<pads=[1,1,1,1]>(s, W, B) y = Relu(c)", SHAPES | {"B": (8,)}),
    "batch norm": (f"{CONV} n = {BATCH_NORM} y = Relu(n)", SHAPES | STATISTICS),
    "bias and batch norm": (
        f"[conv] c = Conv<pads=[1,1,1,1]>(s, W, B) n = {BATCH_NORM} y = Relu(n)",
        SHAPES | STATISTICS | {"B": (8,)},
    ),
    "residual": (f"{CONV} a = Add(s, c) y = Relu(a)", SHAPES),
    "batch norm and residual": (f"{CONV} n = {BATCH_NORM} a = Add(n, s) y = Relu(a)", SHAPES | STATISTICS),
    "relu6": (f"{CONV} y = Clip(c, low, high)", SHAPES),
    "stride, dilation, group": (
        "[conv] c = Conv<strides=[2,1], dilations=[1,2], pads=[0,2,1,3], group=2>(s, V) y = Relu(c)",
        {"W0": (8, 4, 3, 3), "V": (8, 4, 3, 3)},
    ),
    "auto_pad upper": ('[conv] c = Conv<auto_pad="SAME_UPPER", strides=[2,3]>(s, W) y = Relu(c)', SHAPES),
    "auto_pad lower": (
        '[conv] c = Conv<auto_pad="SAME_LOWER", strides=[2,2]>(s, V) y = Relu(c)',
        SHAPES | {"V": (8, 8, 2, 4)},
    ),
    "auto_pad valid": ('[conv] c = Conv<auto_pad="VALID">(s, W) y = Relu(c)', SHAPES),
    "shared weights": (
        f"{CONV} n = {BATCH_NORM} t = Relu(n) d = Conv<pads=[1,1,1,1]>(t, W) y = Relu(d)",
        SHAPES | STATISTICS,
    ),
    "weights behind Identity": ("V = Identity(W) [conv] c = Conv<pads=[1,1,1,1]>(s, V) y = Relu(c)", SHAPES),
    "two branches": (f"{CONV} d = Conv<pads=[1,0,1,0]>(s, V) a = Add(d, c) y = Relu(a)", SHAPES | {"V": (8, 8, 3, 1)}),
}


@pytest.mark.parametrize(("between", "shapes"), [("", SHAPES), (f"n = {BATCH_NORM}", SHAPES | STATISTICS)])
def test_a_name_that_another_node_has_is_not_given_again(
    between: str, shapes: dict[str, tuple[int, ...]], build_model: ModelBuilder, convert: Converter, run: Runner
) -> None:
    """A Conv without a name is listed by its output's, which another node may have for its own."""
    relu = f"y = Relu({'n' if between else 'c'})"
    model = build_model(f"({STEM} [c] t = Sigmoid(s) c = Conv<pads=[1,1,1,1]>(t, W) {between} {relu} }}", **shapes)
    converted = convert(model)
    names = [node.name for node in converted.graph.node if node.name]
    assert "c" in names
    assert len(set(names)) == len(names)
    np.testing.assert_allclose(run(converted)[0], run(model)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("nodes", "shapes"), EQUAL.values(), ids=EQUAL.keys())
def test_equal_at_threshold_minus_infinity(
    build_model: ModelBuilder, nodes: str, shapes: dict[str, tuple[int, ...]], convert: Converter, run: Runner
) -> None:
    """Sums of 72 products of size one, in another order and with batch norm folded: some float32 roundings."""
    model = build_model(f"({STEM} {nodes} }}", **shapes)
    for name, value in (("low", 0), ("high", 0.5)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    converted = convert(model)
    assert zap_convs(converted)
    checker.check_model(converted, full_check=True)
    np.testing.assert_allclose(run(converted)[0], run(model)[0], rtol=1e-5, atol=1e-5)


def test_a_threshold_skips_outside_the_pattern_only(build_model: ModelBuilder, convert: Converter, run: Runner) -> None:
    model = build_model(f"({STEM} {CONV} n = {BATCH_NORM} y = Relu(n) }}", **SHAPES, **STATISTICS)
    dense, skipped = run(model)[0], run(convert(model, (math.inf,), "D"))[0]
    mask = Pattern.parse("D").mask(12, 11)
    np.testing.assert_allclose(skipped[..., mask], dense[..., mask], rtol=1e-5, atol=1e-5)
    assert not skipped[..., ~mask].any()
    assert dense[..., ~mask].any()


def test_the_reference_runs_the_result(build_model: ModelBuilder, convert: Converter, run: Runner) -> None:
    model = convert(build_model(f"({STEM} {CONV} a = Add(s, c) y = Relu(a) }}", **SHAPES), (0.0,), "C")
    x = np.random.default_rng(2).normal(size=(2, 4, 12, 11)).astype(np.float32)
    np.testing.assert_allclose(ReferenceEvaluator(model).run(None, {"x": x})[0], run(model)[0], rtol=1e-5, atol=1e-5)


def test_the_node(build_model: ModelBuilder, convert: Converter, predictor: Predictor) -> None:
    """Name, place, inputs and attributes of the new node."""
    nodes = f"{CONV} p = Sigmoid(s) a = Add(c, p) y = Clip(a, low, high)"
    model = build_model(f"({STEM} {nodes} }}", **SHAPES)
    for name, value in (("low", 0), ("high", 6)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), name))
    model.graph.node[2].doc_string = "about"
    model.graph.node[2].metadata_props.add(key="key", value="value")
    converted = convert(model, (0.25,), "D")
    assert [node.op_type for node in converted.graph.node] == ["Conv", "Relu", "Sigmoid", "ZapConvResidual"]
    node = converted.graph.node[-1]
    assert (node.name, node.domain, node.doc_string) == ("conv", "zaponnx", "about")
    assert node.metadata_props == model.graph.node[2].metadata_props
    assert list(node.input) == ["s", "W", "y/B", "y/P1", "y/p1", "y/P2", "y/p2", "p"]
    assert list(node.output) == ["y"]
    assert attributes(node) == {
        "strides": [1, 1],
        "pads": [1, 1, 1, 1],
        "dilations": [1, 1],
        "group": 1,
        "pattern": [0, 0, 1, 0, 1, 0, 1, 0, 0],
        "pattern_shape": [3, 3],
        "threshold": [0.25],
        "channels": 8,
        "bound": 6.0,
    }
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in converted.graph.initializer}
    np.testing.assert_array_equal(values["y/P2"], predictor.P2)
    assert values.keys() == {"W0", "W", "y/B", "y/P1", "y/p1", "y/P2", "y/p2"}


def test_new_names_do_not_collide(build_model: ModelBuilder, convert: Converter) -> None:
    model = build_model(f"({STEM} {CONV} y = Relu(c) }}", **SHAPES)
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "y/P1"))
    assert zap_convs(convert(model))[0].input[3] == "y/P1_"


def test_what_is_no_site_is_untouched(build_model: ModelBuilder, convert: Converter) -> None:
    """Everything that onnx-graphsurgeon's exporter drops, and all that it keeps, is as before."""
    nodes = f"{CONV} n = {BATCH_NORM} t = Relu(n) z = zero.Other<alpha=0.5>(t) y = Conv<pads=[1,1,1,1]>(z, W)"
    model = build_model(f"({STEM} {nodes} }}", ir_version=10, **SHAPES, **STATISTICS, unused=(2, 2))
    graph = model.graph
    graph.value_info.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "csntz")
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        item.doc_string = "text"
        item.metadata_props.add(key="key", value="value")
    graph.metadata_props.add(key="graph", value="value")
    for name in "cs":
        graph.quantization_annotation.add(tensor_name=name)
    graph.input.append(helper.make_tensor_value_info("W0", TensorProto.FLOAT, (8, 4, 3, 3)))
    graph.doc_string = model.doc_string = model.producer_name = model.producer_version = model.domain = "text"
    model.model_version = 3
    model.training_info.add().algorithm.name = "training"
    helper.set_model_props(model, {"key": "value"})
    model.opset_import.append(helper.make_opsetid("zero", 2))
    for overload in ("", "second"):
        function = helper.make_function(
            "zero",
            "Other",
            ["a"],
            ["b"],
            [helper.make_node("Relu", ["a"], ["b"])],
            [helper.make_opsetid("", 17)],
            ["alpha"],
        )
        function.overload = overload
        model.functions.append(function)
    converted = convert(model)

    def without(items: Iterable[Any], *names: str) -> list[Any]:
        return [item for item in items if getattr(item, "name", getattr(item, "tensor_name", "")) not in names]

    for field in (
        "ir_version",
        "producer_name",
        "producer_version",
        "domain",
        "model_version",
        "doc_string",
        "metadata_props",
        "training_info",
    ):
        assert getattr(converted, field) == getattr(model, field), field
    assert list(converted.opset_import[:2]) == list(model.opset_import)
    assert list(converted.functions[:2]) == list(model.functions)
    after = converted.graph
    assert (after.name, after.doc_string) == (graph.name, graph.doc_string)
    assert after.metadata_props == graph.metadata_props
    assert list(after.input) == list(graph.input)
    assert after.output == graph.output
    assert list(after.value_info) == without(graph.value_info, "c", "n")
    assert list(after.quantization_annotation) == list(graph.quantization_annotation)[1:]
    assert list(after.initializer[:3]) == without(graph.initializer, *STATISTICS)
    dense = [node for node in graph.node if node.name != "conv" and node.output[0] not in ("n", "t")]
    assert [node for node in after.node if node.op_type != "ZapConv"] == dense
    assert [node.op_type for node in after.node] == ["Conv", "Relu", "ZapConv", "Other", "Conv"]


def test_constants_that_nothing_reads_any_more_are_dropped(build_model: ModelBuilder, convert: Converter) -> None:
    constants = "low = Constant<value_float=0.0>() high = Constant<value_float=6.0>() same = Identity(high)"
    nodes = f"{CONV} {constants} y = Clip(c, low, same)"
    converted = convert(build_model(f"({STEM} {nodes} }}", **SHAPES))
    assert [node.op_type for node in converted.graph.node] == ["Conv", "Relu", "ZapConv"]


def test_constants_that_others_read_are_kept(build_model: ModelBuilder, convert: Converter) -> None:
    nodes = f"{CONV} low = Constant<value_float=0.0>() r = Clip(c, low) y = Add(r, low)"
    converted = convert(build_model(f"({STEM} {nodes} }}", **SHAPES))
    assert [node.op_type for node in converted.graph.node] == ["Conv", "Relu", "Constant", "ZapConv", "Add"]


def test_only_the_operators_used_have_bodies(build_model: ModelBuilder, convert: Converter) -> None:
    plain = convert(build_model(f"({STEM} {CONV} y = Relu(c) }}", **SHAPES))
    assert [function.name for function in plain.functions] == ["ZapConv"]
    both = f"{CONV} t = Relu(c) d = Conv<pads=[1,1,1,1]>(t, W) a = Add(d, s) y = Relu(a)"
    converted = convert(build_model(f"({STEM} {both} }}", opset=14, **SHAPES))
    assert [function.name for function in converted.functions] == ["ZapConv", "ZapConvResidual"]
    assert {entry.version for function in converted.functions for entry in function.opset_import} == {14}
    assert [(entry.domain, entry.version) for entry in converted.opset_import] == [("", 14), ("zaponnx", 1)]


def test_a_second_run_changes_nothing(build_model: ModelBuilder, convert: Converter) -> None:
    converted = convert(build_model(f"({STEM} {CONV} n = {BATCH_NORM} y = Relu(n) }}", **SHAPES, **STATISTICS))
    again = convert(converted)
    assert again.SerializeToString(deterministic=True) == converted.SerializeToString(deterministic=True)


def test_several_runs_add_up(build_model: ModelBuilder, predictor: Predictor) -> None:
    """Sites that were left out at first can follow; the domain and the body are declared once."""
    nodes = f"{CONV} t = Relu(c) d = Conv<pads=[1,1,1,1]>(t, W) y = Relu(d)"
    model = build_model(f"({STEM} {nodes} }}", **SHAPES)
    for _ in range(2):
        replacement = Replacement(find_matches(model)[0][0], predictor, (0.0,), Pattern.parse("B"))
        to_zap_convs(model, [replacement], "nchw")
    assert [node.op_type for node in model.graph.node] == ["Conv", "Relu", "ZapConv", "ZapConv"]
    assert len(model.functions) == 1
    assert len(model.opset_import) == 2
    checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    "nodes",
    [
        f"{CONV} n = {BATCH_NORM} y = Relu(n)",
        "V = Identity(W) c = Conv(s, V) y = Relu(c)",
        f"e = Constant<value_ints=[12, 11]>() k = ConstantOfShape(e) {CONV} a = Add(c, k) y = Relu(a)",
    ],
)
def test_a_site_that_is_not_folded_is_an_error(build_model: ModelBuilder, predictor: Predictor, nodes: str) -> None:
    model = build_model(f"({STEM} {nodes} }}", **SHAPES, **STATISTICS)
    replacement = Replacement(find_matches(model)[0][0], predictor, (0.0,), Pattern.parse("B"))
    with pytest.raises(ValueError, match="'y' is not folded"):
        to_zap_convs(model, [replacement], "nchw")


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_unnamed_conv_keeps_the_name_that_it_is_listed_by(
    network: ModelBuilder, convert: Converter, batch_norm: bool
) -> None:
    """Its output's, which the ZapConv does not have, and the folded Conv neither."""
    behind = "n = BatchNormalization(c, scale, shift, mean, var) y = Relu(n)" if batch_norm else "y = Relu(c)"
    model = network(f"c = Conv<pads=[1,1,1,1]>(s, W) {behind}")
    (site,), _ = find_sites(model)
    assert site.name == "c"
    folded, _ = to_dense(model, lambda each: find_matches(each)[0])
    assert find_sites(folded)[0][0].name == "c"
    assert zap_conv_name(zap_convs(convert(folded))[0]) == "c"
