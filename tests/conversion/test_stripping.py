"""strip: the dense model comes back, to the last byte where nothing was folded or upgraded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zaponnx
from zaponnx import stripping, tables
from zaponnx.artifact_files import load_fit, save_fit
from zaponnx.errors import InvalidArgument, ModelError
from zaponnx.models import external_files, load_model, model_sha256, save_model
from zaponnx.runtime import InferenceSession

BUDGETS = (0.0, 0.5, 1.0, 2.0)


def with_much_to_keep(model: onnx.ModelProto) -> None:
    """What the passes drop with the sites, and what they must leave alone."""
    graph = model.graph
    graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8, 12, 12]) for name in ("c1", "s", "a", "r2", "h")
    )
    for name in ("c2", "r1", "h"):
        graph.quantization_annotation.add(tensor_name=name)
    for node in graph.node:
        node.doc_string = f"makes {node.output[0]}"
        node.metadata_props.add(key="source", value="test")
    for key in ("author", "zap"):
        model.metadata_props.add(key=key, value="someone")


@pytest.mark.parametrize("layout", ["auto", "nchw"])
@pytest.mark.parametrize("epsilon", BUDGETS)
def test_the_original_comes_back(make_files, epsilon: float, layout: str) -> None:
    files = make_files(edit=with_much_to_keep)
    converted = files.convert(epsilon=epsilon, layout=layout).converted
    stripped = files.output.with_name("stripped.onnx")
    report = zaponnx.strip(files.output, stripped)
    assert stripped.read_bytes() == files.model.read_bytes()
    assert (report.model, report.output, report.stripped) == (files.output, stripped, len(converted))
    assert report.verification.difference <= report.verification.tolerance
    assert json.loads(json.dumps(report.to_json()))["output"] == str(stripped)


def test_a_result_that_differs_is_not_written(make_files, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_files()
    files.convert(epsilon=1.0)

    def differs(*paths: object) -> None:
        raise ModelError("convert", "it differs", where="node 'c1'", remedy="calibrate again without the layer")

    monkeypatch.setattr(stripping, "verify", differs)
    stripped = files.output.with_name("stripped.onnx")
    with pytest.raises(
        ModelError, match=r"^strip: node 'c1': it differs; take the original model, or convert it again$"
    ):
        zaponnx.strip(files.output, stripped)
    assert not stripped.exists()


def test_external_data_stay_external(make_files) -> None:
    files = make_files(external_data=True)
    files.convert(epsilon=1.0)
    stripped = files.output.with_name("stripped.onnx")
    zaponnx.strip(files.output, stripped)
    assert external_files(stripped) == [stripped.with_name("stripped.onnx.data")]
    x = np.random.default_rng(0).normal(size=(2, 4, 12, 12)).astype(np.float32)
    expected, actual = (InferenceSession(path).run(None, {"x": x})[0] for path in (files.model, stripped))
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("epsilon", BUDGETS)
def test_what_was_folded_and_upgraded_stays_so(make_batch_norm_files, epsilon: float) -> None:
    """At every operating point alike; the rest is as it was."""
    files = make_batch_norm_files(opset=13, ir_version=7)
    files.convert(epsilon=epsilon)
    stripped = files.output.with_name("stripped.onnx")
    zaponnx.strip(files.output, stripped)
    before, after = (load_model(path, "test") for path in (files.model, stripped))
    assert (after.ir_version, [entry.version for entry in after.opset_import]) == (8, [13])
    nodes = [node for node in before.graph.node if node.op_type != "BatchNormalization"]
    first = next(node for node in nodes if node.name == "first")
    first.input[:], first.output[:] = ["s", "r1/W", "r1/B"], ["n1"]
    assert list(after.graph.node) == nodes
    kept = [tensor.name for tensor in before.graph.initializer]
    folded = [name for name in kept if name not in ("W1", "scale", "shift", "mean", "var")] + ["r1/W", "r1/B"]
    assert [tensor.name for tensor in after.graph.initializer] == folded


@pytest.mark.parametrize("tensor", ["c1", "r1", "a", "s", "h"])
def test_stale_value_infos_are_dropped(make_files, tensor: str) -> None:
    """Wherever they are: else strict shape inference would refuse what comes back."""
    stale = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["N", 8, 99, 12])
    files = make_files(edit=lambda model: model.graph.value_info.append(stale))
    report = files.convert(epsilon=1.0)
    assert (report.stale, len(report.converted)) == ((tensor,), 2)
    assert f"value infos dropped that contradict ONNX's shape inference: {tensor}" in tables.convert(report)
    stripped, retuned = (files.output.with_name(name) for name in ("stripped.onnx", "retuned.onnx"))
    zaponnx.strip(files.output, stripped)
    assert zaponnx.retune(files.output, retuned, epsilon=0.5).stale == ()
    model = load_model(files.model, "test")
    del model.graph.value_info[:]
    assert load_model(stripped, "test") == model


@pytest.mark.parametrize("layout", ["auto", "nchw"])
@pytest.mark.parametrize("batch", ["N", 2])
def test_constant_residuals_stay_expanded(make_files, layout: str, batch: int | str) -> None:
    def add_constant(model: onnx.ModelProto) -> None:
        pixels = np.linspace(-1, 1, 144, dtype=np.float32).reshape(12, 12)
        model.graph.initializer.append(numpy_helper.from_array(pixels, "k"))
        next(node for node in model.graph.node if node.output[0] == "a").input[1] = "k"
        for value in (*model.graph.input, *model.graph.output):
            shape = [batch, *(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:])]
            value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, shape))

    files = make_files(edit=add_constant)
    assert len(files.convert(epsilon=1.0, layout=layout).converted) == 2
    stripped, retuned = (files.output.with_name(name) for name in ("stripped.onnx", "retuned.onnx"))
    zaponnx.strip(files.output, stripped)
    zaponnx.retune(files.output, retuned, epsilon=1.0, layout=layout)
    assert retuned.read_bytes() == files.output.read_bytes()
    operators = [node.op_type for node in load_model(stripped, "test").graph.node]
    assert ("Expand" in operators) == (batch == "N")
    x = np.random.default_rng(0).normal(size=(2, 4, 12, 12)).astype(np.float32)
    expected, actual = (InferenceSession(path).run(None, {"x": x})[0] for path in (files.model, stripped))
    np.testing.assert_array_equal(actual, expected)


def test_converting_it_again_gives_the_same(make_batch_norm_files) -> None:
    files = make_batch_norm_files()
    files.convert(epsilon=1.0)
    stripped = replace(
        files, model=files.output.with_name("stripped.onnx"), output=files.output.with_name("again.onnx")
    )
    zaponnx.strip(files.output, stripped.model)
    fit = replace(load_fit(files.fit), model_sha256=model_sha256(stripped.model))
    save_fit(fit, files.fit)
    stripped.calibrate_again(model_sha256=fit.model_sha256)
    stripped.convert(epsilon=1.0)
    assert load_model(stripped.output, "test").graph == load_model(files.output, "test").graph


Edit = Callable[[onnx.ModelProto], None]


def without_carried(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]


def without_a_zap_conv(model: onnx.ModelProto) -> None:
    """Replaced by hand: its output is then written twice."""
    node = next(node for node in model.graph.node if node.name == "first")
    node.CopyFrom(helper.make_node("Relu", ["s"], ["r1"]))


def with_fewer_nodes(model: onnx.ModelProto) -> None:
    """The stem has gone, and the places of all others are wrong."""
    del model.graph.node[:2]
    model.graph.input[0].name = "s"
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8


def with_other_weights(model: onnx.ModelProto) -> None:
    """Behind the ZapConv's back: what the stripped model computes is another thing."""
    node = next(node for node in model.graph.node if node.name == "second")
    node.input[1] = "W1"


@pytest.mark.parametrize(
    ("edit", "error", "problem"),
    [
        (without_carried, ModelError, "it does not carry zaponnx.dense: .*; convert the original model again"),
        (
            without_a_zap_conv,
            ModelError,
            "its dense nodes do not go .*; convert the original model again",
        ),
        (with_fewer_nodes, ModelError, "its dense nodes do not go with the rest of it any more: .*sorted"),
        (with_other_weights, ModelError, "node 'second': at threshold −∞ it differs"),
    ],
)
def test_models_that_cannot_be_stripped(files, edit: Edit, error: type[Exception], problem: str) -> None:
    files.convert(epsilon=1.0, layout="nchw")
    model = load_model(files.output, "test")
    edit(model)
    assert_refused(files, model, error, problem)


def assert_refused(files: Any, model: onnx.ModelProto, error: type[Exception], problem: str) -> None:
    """One sentence that says who complains, and no file."""
    edited = files.output.with_name("edited.onnx")
    save_model(model, edited)
    before = sorted(files.model.parent.iterdir())
    with pytest.raises(error, match=rf"^strip: .*{problem}") as caught:
        zaponnx.strip(edited, files.output.with_name("stripped.onnx"))
    assert "\n" not in str(caught.value)
    assert sorted(files.model.parent.iterdir()) == before


def test_models_that_are_not_converted(files) -> None:
    model = load_model(files.model, "test")
    assert_refused(files, model, ModelError, "it is not converted; give a model that zaponnx convert wrote")


def test_the_model_is_not_written_over(files) -> None:
    files.convert(epsilon=1.0)
    before = files.output.read_bytes()
    with pytest.raises(InvalidArgument, match=r"^strip: .*the output is also an input"):
        zaponnx.strip(files.output, files.output)
    assert files.output.read_bytes() == before
