"""The whole of it on the digits: what it saves, what it costs, and that all ways of running the model agree."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, helper
from onnx.reference import ReferenceEvaluator

import zaponnx
from zaponnx.calib.data import open_data
from zaponnx.models import model_sha256
from zaponnx.operator import DOMAIN, NHWC_OPERATORS, TO_NCHW
from zaponnx.self_check import tiny_model

ONE_IMAGE = 1 / 360


def plain(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """A session without zaponnx's library."""
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_demo_writes_all_files(digits) -> None:
    names = {path.name for path in digits.directory.iterdir()}
    assert names >= {"model.onnx", "model.zapcal", "model.zapfit.json", "model.zap.onnx", "demo.json", "report.html"}
    listed = json.loads((digits.directory / "demo.json").read_text())["files"]
    assert sorted(listed) == sorted(str(path) for path in digits.directory.rglob("*") if path.is_file())
    plots = [path for path in digits.directory.glob("*.png") if path.read_bytes().startswith(b"\x89PNG")]
    assert len(plots) >= 2


def test_demo_prints_the_table_of_what_it_measured(digits) -> None:
    found = json.loads((digits.directory / "demo.json").read_text())
    dense, converted, tuned = found["evaluation"]["models"]
    for layer in converted["layers"]:
        assert f"{layer['mac_saved']:.2%}" in digits.stdout
        assert f"{layer['net_mac_saved']:.2%}" in digits.stdout
    tops = (dense["top1"], converted["top1"], tuned["top1"])
    for share in (converted["mac_saved"], converted["net_mac_saved"], *tops):
        assert f"{share:.2%}" in digits.stdout
    assert found["benchmark"]["cpu"] in digits.stdout
    for run in found["benchmark"]["runs"]:
        assert f"{run['baseline_ms']:.3f}" in digits.stdout
        assert f"{run['model_ms']:.3f}" in digits.stdout
        threads = "1 thread." if run["threads"] == 1 else f"{run['threads']} threads."
        slower = [line for line in digits.stdout.splitlines() if "model.zap.onnx is NOT faster" in line]
        assert any(line.endswith(threads) for line in slower) == (run["speedup"] <= 1)
    for run in found["tuned_benchmark"]["runs"]:
        assert f"{run['model_ms']:.3f}" in digits.stdout


def test_demo_ends_with_a_report_that_lacks_only_times_of_layers(digits) -> None:
    """It is that of the model that skips; the tuned one is beside it."""
    found = json.loads((digits.directory / "demo.json").read_text())["evaluation"]["models"][1]
    text = (digits.directory / "report.html").read_text()
    assert text.count('class="lacking">Not in this report') == 1
    assert "Not in this report: each layer&#39;s time." in text
    assert f"{100 * found['top1']:.2f}\N{NO-BREAK SPACE}%" in text
    assert str(digits.directory) not in text
    tuned = (digits.directory / "tuned.html").read_text()
    assert 'class="lacking">Not in this report' not in tuned
    assert str(digits.directory) not in tuned


def test_demo_notes_that_the_models_it_tried_were_calibrated_on_the_same_images(digits) -> None:
    found = json.loads((digits.directory / "eval-calibration.json").read_text())
    noted = [note.partition(" was calibrated on digits, too")[0] for note in found["notes"]]
    assert noted == [model["path"] for model in found["models"][1:]]


def test_demo_ends_with_a_package_that_verifies(digits) -> None:
    found = json.loads((digits.directory / "demo.json").read_text())
    check = zaponnx.verify(digits.directory / "digits.tar.gz")
    assert [model.source_sha256 for model in check.manifest.models] == [
        model_sha256(digits.converted),
        model_sha256(digits.directory / "tuned.zap.onnx"),
    ]
    timed = found["benchmark"], found["tuned_benchmark"]
    for model, evaluated, times in zip(check.manifest.models, found["evaluation"]["models"][1:], timed, strict=True):
        assert model.accuracy.model.top1 == evaluated["top1"]
        assert [run.speedup for run in model.speed.runs] == [run["speedup"] for run in times["runs"]]
    assert "digits.tar.gz" in digits.stdout


def test_demo_saves_work_at_the_accuracy_it_promises(digits) -> None:
    """The choice was made on the calibration split; on the test split it may cost a little more."""
    dense, converted, tuned = json.loads((digits.directory / "demo.json").read_text())["evaluation"]["models"]
    assert dense["top1"] >= 0.97
    assert converted["mac_saved"] >= 0.2
    assert converted["net_mac_saved"] < converted["mac_saved"]
    assert min(converted["top1"], tuned["top1"]) >= dense["top1"] - 0.02


def test_no_budget_costs_no_accuracy(digits, tmp_path: Path) -> None:
    lossless = tmp_path / "lossless.onnx"
    zaponnx.convert(digits.model, digits.calibration, digits.fit, lossless, epsilon=0)
    dense, converted = zaponnx.eval([digits.model, lossless], "digits").models
    assert abs(converted.top1 - dense.top1) <= ONE_IMAGE * 1.001


def test_a_quarter_of_the_work_for_less_than_a_point(digits, tmp_path: Path) -> None:
    """And the measured saving is what calibration predicted from other images, to two points."""
    output = tmp_path / "quarter.onnx"
    report = zaponnx.convert(digits.model, digits.calibration, digits.fit, output, mac_saving=0.27)
    dense, converted = zaponnx.eval([digits.model, output], "digits").models
    assert converted.mac_saved >= 0.25
    assert converted.top1 >= dense.top1 - 0.01
    assert converted.mac_saved == pytest.approx(report.mac_saved, abs=0.02)


def test_accuracy_does_not_depend_on_the_library(digits) -> None:
    native, portable = (zaponnx.eval([digits.converted], "digits", portable=flag).models[0] for flag in (False, True))
    assert abs(native.top1 - portable.top1) <= ONE_IMAGE * 1.001
    assert native.mac_saved == pytest.approx(portable.mac_saved, abs=1e-4)


def test_the_model_records_where_it_comes_from(digits) -> None:
    metadata = {entry.key: entry.value for entry in onnx.load_model(digits.converted).metadata_props}
    found = json.loads((digits.directory / "demo.json").read_text())
    assert float(metadata["zaponnx.epsilon"]) == pytest.approx(found["conversion"]["epsilon"])
    assert metadata["zaponnx.version"] == zaponnx.__version__
    assert metadata["zaponnx.pattern"] == "D"


def zap_convs(model: onnx.ModelProto) -> list[NodeProto]:
    return [node for node in model.graph.node if node.domain == DOMAIN]


def layers(
    model: onnx.ModelProto, inputs: dict[str, np.ndarray]
) -> Iterator[tuple[onnx.ModelProto, dict[str, np.ndarray]]]:
    """Every ZapConv as a model of its own, with what it is fed in one run of the whole."""
    nodes = zap_convs(model)
    constants = {tensor.name for tensor in model.graph.initializer}
    fed = sorted({name for node in nodes for name in node.input if name not in constants})
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in fed)
    values = dict(zip(fed, plain(probe).run(fed, inputs), strict=True))
    for node in nodes:
        names = [name for name in node.input if name in values]
        layer = onnx.ModelProto()
        layer.CopyFrom(model)
        del layer.graph.node[:], layer.graph.input[:], layer.graph.output[:], layer.graph.value_info[:]
        layer.graph.node.append(node)
        layer.graph.input.extend(
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, values[name].shape) for name in names
        )
        layer.graph.output.append(helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, [None] * 4))
        unread = [i for i, tensor in enumerate(layer.graph.initializer) if tensor.name not in node.input]
        for index in reversed(unread):
            del layer.graph.initializer[index]
        yield layer, {name: values[name] for name in names}


def inside(model: onnx.ModelProto, tensor: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """A tensor of the function body of a model's only node."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    function = next(f for f in cut.functions if f.name == cut.graph.node[0].op_type)
    function.output[0] = tensor
    del function.node[next(i for i, node in enumerate(function.node) if tensor in node.output) + 1 :]
    return plain(cut).run(None, inputs)[0]


def rounding(node: NodeProto, model: onnx.ModelProto, values: np.ndarray) -> float:
    """What a float32 sum may be off by when its K products are added in another order: 16·ε·√K of the largest."""
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
    return 16 * float(np.finfo(np.float32).eps) * math.sqrt(math.prod(weights.dims[1:])) * float(np.abs(values).max())


def test_every_layer_agrees_in_all_ways_of_running_it(digits) -> None:
    """By the library, by plain ONNX Runtime and by onnx.reference, fed with the same values.

    An output that only some of them compute must have a predicted value within rounding of the threshold.
    """
    model = onnx.load_model(digits.converted)
    batch = next(iter(open_data("digits", model, split="test", samples=2)))
    checked = 0
    for layer, inputs in layers(model, dict(batch.inputs)):
        node = layer.graph.node[0]
        threshold = next(attribute for attribute in node.attribute if attribute.name == "threshold").floats[0]
        computed = inside(layer, "result", inputs)
        predicted = inside(layer, "predicted", inputs)
        ways = {
            "plain": plain(layer),
            "library": zaponnx.InferenceSession(layer.SerializeToString()),
            "onnx.reference": ReferenceEvaluator(layer),
        }
        outputs = {way: session.run(None, inputs)[0] for way, session in ways.items()}
        if node.op_type in NHWC_OPERATORS:
            outputs = {way: output.transpose(TO_NCHW) for way, output in outputs.items()}
        expected = outputs.pop("plain")
        for way, actual in outputs.items():
            flipped = (actual == 0) != (expected == 0)
            close = np.abs(actual - expected) <= rounding(node, layer, computed)
            near = np.abs(predicted - threshold) <= rounding(node, layer, predicted)
            assert (close | (flipped & near)).all(), f"{node.name}, {way}"
            assert (expected == 0).any()
            assert (expected > 0).any()
        checked += 1
    assert checked == 8


def test_the_whole_network_agrees_in_all_ways_of_running_it(digits) -> None:
    """A flip within rounding may change the scores behind it, but hardly ever a decision."""
    model = onnx.load_model(digits.converted)
    inputs = dict(next(iter(open_data("digits", model, split="test", samples=8))).inputs)
    expected = plain(model).run(None, inputs)[0]
    for scores in (
        zaponnx.InferenceSession(digits.converted).run(None, inputs)[0],
        ReferenceEvaluator(model).run(None, inputs)[0],
    ):
        assert (scores.argmax(1) == expected.argmax(1)).all()
        assert np.median(np.abs(scores - expected)) <= 1e-3 * np.abs(expected).max()


def test_layers_are_told_apart() -> None:
    """The comparison above must fail for a layer that computes something else."""
    model = tiny_model()
    other = tiny_model()
    x = np.random.default_rng(0).standard_normal((1, 4, 9, 9)).astype(np.float32)
    weights = next(tensor for tensor in other.graph.initializer if tensor.name == "W")
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * np.float32(1.001), "W"))
    difference = np.abs(plain(model).run(None, {"X": x})[0] - plain(other).run(None, {"X": x})[0]).max()
    assert difference > rounding(model.graph.node[0], model, inside(model, "result", {"X": x}))
