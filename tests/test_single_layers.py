"""Single layers: each reads what the original computes, and may differ by what rounding explains and by no more."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zaponnx.artifacts import Predictor
from zaponnx.errors import ModelError
from zaponnx.graph.finding import find_matches
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.patterns import Pattern
from zaponnx.single_layers import check_layer, single_layers
from zaponnx.verification import verify

NETWORK = """<ir_version: 8, opset_import: ["": 17]>
net (float[N,4,12,11] x) => (float[N,8,12,11] y) {
    c1 = Conv<pads=[1,1,1,1]>(x, W0) r1 = Relu(c1)
    [first] c2 = Conv<pads=[1,1,1,1]>(r1, W) r2 = Relu(c2)
    [between] c = Conv<pads=[1,1,1,1]>(r2, W) r = Relu(c)
    [second] c3 = Conv<pads=[1,1,1,1]>(r, W) a3 = Add(c3, k) r3 = Relu(a3)
    low = Add(r3, tiny) log = Log(low)
    [third] c4 = Conv<pads=[1,1,1,1]>(log, W) a4 = Add(c4, r1) r4 = Clip(a4, zero, six)
    s = Sigmoid(r4) y = Mul(s, r4)
}"""


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A network whose Log of almost nothing enlarges roundings, before its last site."""
    model = onnx.parser.parse_model(NETWORK)
    rng = np.random.default_rng(0)
    arrays = {
        "W0": rng.normal(size=(8, 4, 3, 3)) / 6,
        "W": rng.normal(size=(8, 8, 3, 3)) / math.sqrt(72),
        "k": rng.normal(size=(8, 12, 11)),
        **{"tiny": np.array(1e-8), "zero": np.array(0), "six": np.array(6)},
    }
    for name, values in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    onnx.save_model(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.fixture
def convert(original: Path) -> Callable[..., Path]:
    """Writes the network with four ZapConvs: convert(layout, edit)."""

    def write(layout: str = "auto", edit: Callable[[onnx.ModelProto], object] = lambda model: None) -> Path:
        model, _ = to_dense(onnx.load_model(original), lambda each: find_matches(each)[0])
        rng = np.random.default_rng(1)
        shapes = ((8, 1, 3, 3), (8,), (8, 1, 3, 3), (8,))
        predictor = Predictor(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))
        matches, _ = find_matches(model)
        assert [match.conv.name for match in matches] == ["first", "between", "second", "third"]
        pattern = Pattern.parse("B")
        to_zap_convs(model, [Replacement(match, predictor, (0.5,), pattern) for match in matches], layout)
        edit(model)
        path = original.with_name("m.zap.onnx")
        onnx.save_model(model, path)
        return path

    return write


def scaled(site: str, factor: float) -> Callable[[onnx.ModelProto], None]:
    """An edit that scales the weights of one ZapConv."""

    def edit(model: onnx.ModelProto) -> None:
        node = next(node for node in model.graph.node if node.name == site)
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
        changed = numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), f"{site} scaled")
        model.graph.initializer.append(changed)
        node.input[1] = changed.name

    return edit


@pytest.mark.parametrize("layout", ["auto", "nchw"])
def test_each_reads_what_the_original_computes(original: Path, convert: Callable[..., Path], layout: str) -> None:
    """In NHWC too, and a constant that was expanded with what expands it."""
    layers = single_layers(onnx.load_model(convert(layout)), onnx.load_model(original))
    assert [layer.output for layer in layers] == ["r2", "r", "r3", "r4"]
    assert [set(layer.reads.values()) for layer in layers] == [{"r1"}, {"r2"}, {"r", "x"}, {"log", "r1"}]
    assert any(layer.nhwc for layer in layers) == (layout == "auto")


@pytest.mark.parametrize("layout", ["auto", "nchw"])
def test_right_layers_pass(original: Path, convert: Callable[..., Path], layout: str) -> None:
    assert verify(original, convert(layout)).ran


@pytest.mark.parametrize("site", ["first", "second", "third"])
def test_a_model_that_enlarges_roundings_hides_no_wrong_layer(
    original: Path, convert: Callable[..., Path], site: str
) -> None:
    """One with weights that are one in ten thousand off, less than a batch norm's ε makes of a small variance."""
    path = convert("auto", scaled(site, 1 + 1e-4))
    with pytest.raises(
        ModelError, match=rf"node '{site}': at threshold −∞ it differs .* on the same input, run by the"
    ):
        verify(original, path)


def test_another_shape_is_refused(original: Path, convert: Callable[..., Path]) -> None:
    path = convert("nchw")
    layer = single_layers(onnx.load_model(path), onnx.load_model(original))[0]
    values = {"r1": np.ones((1, 8, 5, 5), np.float32), "r2": np.ones((1, 8, 5, 4), np.float32)}
    with pytest.raises(ModelError, match="differs from the original by nan"):
        check_layer(layer, path, values, "function bodies")


@pytest.mark.parametrize("offset", [0, 1, 100])
def test_what_is_allowed_covers_sums_in_any_order(offset: float) -> None:
    """Also where products of one sign cancel with the bias, as they do before a batch norm; but little more."""
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(4, 128, 3, 3)) + offset).astype(np.float32)
    x = np.abs(rng.normal(size=(1, 128, 3, 3))).astype(np.float32)
    products = (weights * x).reshape(4, -1)
    exact = products.astype(np.float64).sum(1)
    bias = (0.5 - exact).astype(np.float32)
    node = helper.make_node("ZapConv", ["X", "W", "B"], ["Y"], domain="zaponnx", threshold=[0.0])
    initializers = [numpy_helper.from_array(weights, "W"), numpy_helper.from_array(bias, "B")]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("X", "Y")]
    model = helper.make_model(helper.make_graph([node], "net", infos[:1], infos[1:], initializers))
    [layer] = single_layers(model, helper.make_model(helper.make_graph([], "net", infos[:1], [])))
    allowed = layer.allowed({"X": x}).reshape(4)
    orders = [rng.permutation(products.shape[1]) for _ in range(200)]
    sums = np.array([np.add.accumulate(products[:, order], axis=1)[:, -1] + bias for order in orders])
    errors = np.abs(sums - (exact + bias)).max(0)
    assert (errors < allowed).all()
    assert (allowed < 1e-3 * (np.abs(products).sum(1) + np.abs(bias))).all()
