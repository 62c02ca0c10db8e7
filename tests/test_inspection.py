"""inspect and the count of MACs: dense models, converted ones, and sizes that are not fixed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx import tables
from zaponnx.artifact_files import load_fit
from zaponnx.errors import ArtifactError, ModelError
from zaponnx.graph.converted import set_thresholds
from zaponnx.inspection import Retuning, inspect
from zaponnx.macs import PREDICTOR_MACS_PER_OUTPUT
from zaponnx.operator import ZAP_CONV_RESIDUAL, ZAP_CONV_RESIDUAL_NHWC
from zaponnx.operator.body import build_body
from zaponnx.patterns import Pattern
from zaponnx.self_check import tiny_model

# Outputs of 16 × 12, 8 × 6, 16 × 12 and 8 × 6 pixels; work per output 9 · 4, 9 · 6, 1 · 6 and 9 · 8 / 2.
NETWORK = """<ir_version: 8, opset_import: ["": 17]> net (float[{size}] x) => (float[N,8,h,w] y) {{
    [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)
    [down] c1 = Conv<pads=[1,1,1,1], strides=[2,2]>(s, W1) d = Relu(c1)
    [point] c2 = Conv(s, W2) p = Relu(c2)
    [pair] c3 = Conv<pads=[1,1,1,1], group=2>(d, W3) y = Relu(c3) }}"""


def network(path: Path, size: str) -> Path:
    model = onnx.parser.parse_model(NETWORK.format(size=size))
    for name, shape in (("W0", (6, 4, 3, 3)), ("W1", (8, 6, 3, 3)), ("W2", (10, 6, 1, 1)), ("W3", (8, 4, 3, 3))):
        model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    onnx.save_model(model, path)
    return path


def test_dense_model(tmp_path: Path) -> None:
    inspection = inspect(network(tmp_path / "m.onnx", "N,4,16,12"))
    assert [(layer.name, layer.status, layer.macs, layer.predictor_macs) for layer in inspection.layers] == [
        ("stem", "dense", 6 * 192 * 36, None),
        ("down", "site", 8 * 48 * 54, 8 * 48 * 9),
        ("point", "dense", 10 * 192 * 6, None),
        ("pair", "site", 8 * 48 * 36, 8 * 48 * 9),
    ]
    assert [bool(layer.reason) for layer in inspection.layers] == [True, False, True, False]
    total = 6 * 192 * 36 + 8 * 48 * 54 + 10 * 192 * 6 + 8 * 48 * 36
    assert inspection.macs == total
    assert inspection.share == pytest.approx(8 * 48 * 90 / total)
    assert (inspection.opset, inspection.ir_version, inspection.converted, inspection.metadata) == (17, 8, False, {})
    json.dumps(inspection.to_json(), allow_nan=False)


def test_sizes_that_are_not_fixed_are_unknown(tmp_path: Path) -> None:
    inspection = inspect(network(tmp_path / "m.onnx", "N,4,H,W"))
    assert [layer.status for layer in inspection.layers] == ["dense", "site", "dense", "site"]
    assert {layer.macs for layer in inspection.layers} == {None}
    assert (inspection.macs, inspection.share) == (None, None)


@pytest.mark.parametrize("nhwc", [False, True])
def test_converted_model(tmp_path: Path, zap_model: Path, to_nhwc: Callable[..., None], nhwc: bool) -> None:
    model = onnx.load_model(zap_model)
    for dim, value in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], (10, 7), strict=True):
        dim.dim_value = value
    set_thresholds(model.graph.node[0], float("inf"))
    model.metadata_props.add(key="zaponnx.epsilon", value="0.5")
    model.metadata_props.add(key="other", value="1")
    if nhwc:
        to_nhwc(model)
    onnx.save_model(model, tmp_path / "m.zap.onnx")
    channels = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    inspection = inspect(tmp_path / "m.zap.onnx")
    [layer] = inspection.layers
    assert (layer.name, layer.status, layer.reason, layer.residual) == ("tiny", "converted", "", False)
    assert (layer.macs, layer.predictor_macs) == (channels * 70 * channels * 9, channels * 70 * 9)
    assert (layer.thresholds, layer.pattern) == ((float("inf"),), Pattern.parse("B").spec)
    assert layer.layout == ("NHWC" if nhwc else "NCHW")
    assert (inspection.converted, inspection.share, inspection.metadata) == (True, 1.0, {"epsilon": "0.5"})
    assert inspection.to_json()["layers"][0]["thresholds"] == ["inf"]
    assert inspection.retuning is None
    assert "cannot be retuned" in tables.inspect(inspection)


def test_what_a_model_can_be_retuned_to(small) -> None:
    points = load_fit(small.fit).points
    inspection = inspect(small.converted)
    assert inspection.retuning == Retuning(len(points), points[-1].error, points[-1].mac_saved)
    assert inspection.metadata.keys() >= {"version", "epsilon"}
    assert not {"dense", "retuning"} & inspection.metadata.keys()
    json.dumps(inspection.to_json(), allow_nan=False)
    assert f"can be retuned to {len(points)} operating points, which save up to 66.67%" in tables.inspect(inspection)
    assert "retuned" not in tables.inspect(inspect(small.model))


def test_a_damaged_record_is_refused(small, tmp_path: Path) -> None:
    model = onnx.load_model(small.converted)
    next(entry for entry in model.metadata_props if entry.key == "zaponnx.retuning").value = "{}"
    onnx.save_model(model, tmp_path / "m.onnx")
    with pytest.raises(ArtifactError, match=r"^inspect: .*m.onnx, zaponnx.retuning: 'version' is missing"):
        inspect(tmp_path / "m.onnx")


def test_convs_in_subgraphs_are_listed_and_their_work_is_unknown(tmp_path: Path) -> None:
    path = network(tmp_path / "m.onnx", "N,4,16,12")
    model = onnx.load_model(path)
    branches = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 17]> net (bool b, float[N,8,8,6] d) => (float[N,8,8,6] z) {
        [if] z = If(b) <then_branch = then () => (t) { [inner] t = Conv<pads=[1,1,1,1], group=2>(d, W3) },
        else_branch = else () => (e) { e = Identity(d) }> }"""
    ).graph
    model.graph.input.append(branches.input[0])
    model.graph.node.append(branches.node[0])
    onnx.save_model(model, path)
    inspection = inspect(path)
    assert [layer.name for layer in inspection.layers] == ["stem", "down", "point", "pair", "inner"]
    assert inspection.layers[-1].reason == "it is inside a subgraph of If 'if'"
    assert (inspection.layers[-1].macs, inspection.macs) == (None, None)


def test_other_convolutions_are_listed_in_their_place(tmp_path: Path) -> None:
    """One whose work is known counts in the total; with one of another domain there is no total."""
    path = network(tmp_path / "m.onnx", "N,4,16,12")
    model = onnx.load_model(path)
    up = onnx.helper.make_node("ConvTranspose", ["d", "W3"], ["u"], name="up", strides=[2, 2])
    model.graph.node.insert(4, up)
    onnx.save_model(model, path)
    total = 6 * 192 * 36 + 8 * 48 * 54 + 10 * 192 * 6 + 8 * 48 * 36
    inspection = inspect(path)
    assert [layer.name for layer in inspection.layers] == ["stem", "down", "up", "point", "pair"]
    assert inspection.layers[2].reason == "it is a ConvTranspose, and only Conv can become ZapConv"
    assert inspection.layers[2].macs == 8 * 48 * 36
    assert inspection.macs == total + 8 * 48 * 36

    model.graph.node[4].domain, model.graph.node[4].op_type = "com.user", "MyConv"
    model.opset_import.append(onnx.helper.make_opsetid("com.user", 1))
    onnx.save_model(model, path)
    inspection = inspect(path)
    assert inspection.layers[2].reason == "it is MyConv of the domain 'com.user', not ONNX's Conv"
    assert (inspection.layers[2].macs, inspection.macs, inspection.share) == (None, None, None)
    assert [layer.status for layer in inspection.layers] == ["dense", "site", "dense", "dense", "site"]


def test_damaged_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"foreign")
    with pytest.raises(ModelError, match="inspect: "):
        inspect(path)


def test_the_predictor_costs_nine_macs_per_output_on_any_pattern() -> None:
    """Counted tap by tap over one period of the tiling, without borders: the derivation in `zaponnx.macs`."""
    for spec in ("A", "B", "C", "D", "100/011"):
        tile = np.array(Pattern.parse(spec).rows)
        neighbours = [np.roll(tile, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        first, second = np.sum(neighbours), 9 * np.sum(1 - tile)
        assert (first + second) / tile.size == pytest.approx(PREDICTOR_MACS_PER_OUTPUT)


@pytest.mark.parametrize(
    ("operator", "nodes"),
    [
        (ZAP_CONV_RESIDUAL, "[zap] y = zaponnx.ZapConvResidual(s, W, B, P1, B, P2, B, z)"),
        (
            ZAP_CONV_RESIDUAL_NHWC,
            "t = Transpose<perm=[0,2,3,1]>(s) r = Transpose<perm=[0,2,3,1]>(z) "
            "[zap] v = zaponnx.ZapConvResidualNhwc(t, W, B, P1, B, P2, B, r) y = Transpose<perm=[0,3,1,2]>(v)",
        ),
    ],
)
def test_a_residual_of_a_zap_conv_is_called_so(tmp_path: Path, operator: str, nodes: str) -> None:
    """Both convs of the Add match; the one without a ZapConv stays, and its reader is no longer an Add."""
    text = f"""<ir_version: 8, opset_import: ["": 17, "zaponnx": 1]> net (float[N,4,8,8] x) => (float[N,4,8,8] y) {{
        [stem] s = Conv<pads=[1,1,1,1]>(x, W) [down] z = Conv<pads=[1,1,1,1]>(s, W) {nodes} }}"""
    model = onnx.parser.parse_model(text)
    tiny = tiny_model()
    next(node for node in model.graph.node if node.name == "zap").attribute.extend(tiny.graph.node[0].attribute)
    model.graph.initializer.extend(tiny.graph.initializer)
    model.functions.append(build_body(operator, 17))
    onnx.save_model(model, tmp_path / "m.zap.onnx")
    layers = {layer.name: layer for layer in inspect(tmp_path / "m.zap.onnx").layers}
    assert layers["down"].reason == f"it is the residual of {operator} 'zap'"


def test_a_model_without_onnx_operators_is_refused(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["ai.onnx.ml": 3]> net (float[3] x) => (float[3] y) {
        y = ai.onnx.ml.Scaler<offset = [0.0], scale = [1.0]>(x) }"""
    onnx.save_model(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"^inspect: .*imports no ONNX operators"):
        inspect(tmp_path / "m.onnx")
