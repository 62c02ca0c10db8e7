from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

import zaponnx
from benchmarks.layers import distinct_layers
from benchmarks.preparing import Prepared
from zaponnx.artifact_files import load_calibration
from zaponnx.models import save_model
from zaponnx.runtime import InferenceSession


def test_layers_of_one_shape_are_cut_once(parts: list[Prepared], tmp_path: Path) -> None:
    (layer,) = distinct_layers(parts[1], tmp_path)
    assert (layer.shape, layer.count, layer.macs) == ("8→8 3×3 16×16", 2, 8 * 16 * 16 * 72)
    assert [array.shape for array in layer.inputs.values()] == [(1, 8, 16, 16)]
    assert layer.converted.keys() == layer.savings.keys() == {"B-30.0", "D-40.0"}
    assert all(0 < saving < 1 for saving in layer.savings.values())


def test_dense_layers_compute_what_they_do_in_the_network(parts: list[Prepared], tmp_path: Path) -> None:
    (layer,) = distinct_layers(parts[1], tmp_path)
    model = onnx.load_model(parts[1].dense)
    output = onnx.load_model(layer.dense).graph.output[0].name
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    save_model(model, tmp_path / "network.onnx")
    expected = InferenceSession(tmp_path / "network.onnx").run([output], {"input": parts[1].images[:1]})[0]
    actual = InferenceSession(layer.dense).run(None, dict(layer.inputs))[0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_converted_layers_have_the_networks_predictors(parts: list[Prepared], tmp_path: Path) -> None:
    (layer,) = distinct_layers(parts[1], tmp_path)
    dense = InferenceSession(layer.dense).run(None, dict(layer.inputs))[0]
    for network in parts[1].converted:
        path = layer.converted[network.point.name]
        single, first = zaponnx.inspect(path).layers[0], zaponnx.inspect(network.model).layers[1]
        assert (single.pattern, single.thresholds) == (first.pattern, first.thresholds)
        predictor = load_calibration(network.calibration, "test").sites[0].predictor
        constants = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_model(path).graph.initializer}
        (name,) = (name for name in constants if name.endswith("/P1"))
        np.testing.assert_array_equal(constants[name], predictor.P1)
        output = InferenceSession(path).run(None, dict(layer.inputs))[0]
        np.testing.assert_allclose(output, np.where(output == 0, 0, dense), atol=1e-5)
        assert np.mean(output == 0) >= layer.savings[network.point.name]


def test_layer_that_stays_dense_is_not_converted(parts: list[Prepared], tmp_path: Path) -> None:
    converted = replace(parts[1].converted[0], model=parts[1].dense)
    (layer,) = distinct_layers(replace(parts[1], converted=(converted,)), tmp_path)
    assert layer.dense.exists()
    assert layer.converted == layer.savings == {}


def test_residuals_and_strides_make_other_shapes(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    residual (float[N, 4, 8, 8] input) => (float[N, 4, 4, 4] output) {
        stem = Conv <pads = [1, 1, 1, 1]> (input, W)
        active = Relu (stem)
        strided = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (active, W)
        shrunk = Relu (strided)
        middle = Conv <pads = [1, 1, 1, 1]> (shrunk, W)
        middle_active = Relu (middle)
        last = Conv <pads = [1, 1, 1, 1]> (middle_active, W)
        sum = Add (last, shrunk)
        output = Relu (sum)
    }"""
    model = onnx.parser.parse_model(text)
    weights = np.random.default_rng(0).standard_normal((4, 4, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "W"))
    save_model(model, tmp_path / "model.onnx")
    prepared = Prepared("residual", "whole", tmp_path / "model.onnx", (), np.ones((1, 4, 8, 8), np.float32))
    layers = distinct_layers(prepared, tmp_path)
    assert [layer.shape for layer in layers] == ["4→4 3×3/2 4×4", "4→4 3×3 4×4", "4→4 3×3 4×4 +"]
    assert [len(layer.inputs) for layer in layers] == [1, 1, 2]
    expected = InferenceSession(tmp_path / "model.onnx").run(None, {"input": prepared.images})[0]
    actual = InferenceSession(layers[2].dense).run(None, dict(layers[2].inputs))[0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)
