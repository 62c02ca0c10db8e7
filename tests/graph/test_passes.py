"""The list of passes: run again, it changes nothing; where nothing is chosen, it leaves the dense model alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import onnx
import pytest

from zaponnx.artifacts import Predictor
from zaponnx.graph.finding import find_matches
from zaponnx.graph.layouts import Layouts
from zaponnx.graph.matching import Match
from zaponnx.graph.originals import originals, restore
from zaponnx.graph.passes import Changes, to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.patterns import Pattern

BATCH_NORM = "BatchNormalization(c, scale, shift, mean, var)"

NETWORKS = {
    "a chain": "CONV t = Relu(c) d = Conv<pads=[1,1,1,1]>(t, W) u = Relu(d) y = Sigmoid(u)",
    "a residual block": "CONV t = Relu(c) d = Conv<pads=[1,1,1,1]>(t, W) a = Add(s, d) y = Relu(a)",
    "a conv before its block": "CONV d = Conv<pads=[1,1,1,1]>(s, W) t = Relu(d) a = Add(c, t) y = Relu(a)",
    "two branches": "CONV d = Conv(s, V) a = Add(d, c) u = Relu(a) y = MaxPool<kernel_shape=[2,2]>(u)",
    "batch norm": f"CONV n = {BATCH_NORM} y = Relu(n)",
    "shared weights": f"CONV n = {BATCH_NORM} t = Relu(n) d = Conv<pads=[1,1,1,1]>(t, W) y = Relu(d)",
    "constants from nodes": "V1 = Identity(W) c = Conv<pads=[1,1,1,1]>(s, V1) y = Relu(c)",
    "relu6": "low = Constant<value_float=0.0>() high = Constant<value_float=6.0>() CONV y = Clip(c, low, high)",
    "a bound that others read": "CONV low = Constant<value_float=0.0>() r = Clip(c, low) y = Add(r, low)",
    "nodes of no effect": "CONV i = Identity(c) d = Dropout(i) y = Relu(d)",
    "a constant of every pixel": "CONV a = Add(c, k) t = Relu(a) d = Conv<pads=[1,1,1,1]>(t, W) y = Relu(d)",
    "no site": "CONV y = Sigmoid(c)",
}


@pytest.fixture(params=NETWORKS.values(), ids=NETWORKS.keys())
def model(request: pytest.FixtureRequest, network: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    built = network(request.param, V=(8, 8, 1, 1), k=(12, 11))
    for name in "cstn":
        built.graph.value_info.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        built.graph.quantization_annotation.add(tensor_name=name)
    return built


def sites(model: onnx.ModelProto) -> list[Match]:
    return find_matches(model)[0]


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def zap_convs(model: onnx.ModelProto, chosen: set[str], layout: str) -> Layouts:
    """Converts those of a model's sites that are chosen, by their outputs."""
    shapes = ((8, 1, 3, 3), (8,), (8, 1, 3, 3), (8,))
    predictor = Predictor(*(np.ones(shape, np.float32) for shape in shapes))
    replacements = [
        Replacement(match, predictor, (0.0,), Pattern.parse("B")) for match in sites(model) if match.output in chosen
    ]
    return to_zap_convs(model, replacements, layout)


@pytest.mark.parametrize("layout", ["auto", "nchw"])
def test_a_second_run_changes_nothing(model: onnx.ModelProto, layout: str) -> None:
    outputs = {match.output for match in sites(model)}
    model.ir_version = 7
    dense, changes = to_dense(model, sites)
    assert changes == Changes("IR version 7 to 8")
    assert {match.output for match in sites(dense)} == outputs
    again, changes = to_dense(copied(dense), sites)
    assert (again, changes) == (dense, Changes())
    zap_convs(dense, outputs, layout)
    again = copied(dense)
    again, changes = to_dense(again, sites)
    layouts = zap_convs(again, outputs, layout)
    assert (again, changes, layouts) == (dense, Changes(), Layouts())


def test_nothing_chosen_changes_nothing(model: onnx.ModelProto) -> None:
    dense, _ = to_dense(model, sites)
    before = copied(dense)
    assert zap_convs(dense, set(), "auto") == Layouts()
    assert dense == before


@pytest.mark.parametrize("layout", ["auto", "nchw"])
def test_the_originals_make_it_dense_again(model: onnx.ModelProto, layout: str) -> None:
    """Whichever sites are converted; and they are less than the whole."""
    dense, _ = to_dense(model, sites)
    outputs = [match.output for match in sites(dense)]
    for count in range(len(outputs) + 1):
        for chosen in itertools.combinations(outputs, count):
            converted = copied(dense)
            zap_convs(converted, set(chosen), layout)
            removed = originals(dense.graph, converted.graph)
            assert bool(removed.parts.node) == bool(chosen)
            assert len(removed.parts.node) < len(dense.graph.node)
            assert not {"W0", "W", "V"} & {tensor.name for tensor in removed.parts.initializer}
            restore(converted, removed)
            assert converted == dense
