from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from benchmarks.layers import distinct_layers
from benchmarks.preparing import Prepared
from zaponnx.models import save_model
from zaponnx.runtime import InferenceSession


def test_layers_of_one_shape_are_cut_once(parts: list[Prepared], tmp_path: Path) -> None:
    (layer,) = distinct_layers(parts[1], tmp_path)
    assert (layer.shape, layer.count, layer.macs) == ("8→8 3×3 16×16", 2, 8 * 16 * 16 * 72)
    assert [array.shape for array in layer.inputs.values()] == [(1, 8, 16, 16)]
    assert layer.converted.keys() == layer.savings.keys() == {"B-30.0", "D-40.0"}
    assert all(0 < saving < 1 for saving in layer.savings.values())


def test_layers_compute_what_they_do_in_the_network(parts: list[Prepared], tmp_path: Path) -> None:
    (layer,) = distinct_layers(parts[1], tmp_path)
    converted = parts[1].converted[0]
    for network, single in ((parts[1].dense, layer.dense), (converted.model, layer.converted["B-30.0"])):
        model = onnx.load_model(network)
        output = onnx.load_model(single).graph.output[0].name
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
        save_model(model, tmp_path / "network.onnx")
        expected = InferenceSession(tmp_path / "network.onnx").run([output], {"input": parts[1].images[:1]})[0]
        actual = InferenceSession(single).run(None, dict(layer.inputs))[0]
        np.testing.assert_allclose(actual, expected, atol=1e-5)


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
