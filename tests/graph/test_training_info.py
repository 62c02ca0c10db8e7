"""What only training refers to: tensors of the inference graph that nothing else reads once sites are converted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from zaponnx.graph.converted import zap_convs
from zaponnx.operator import INPUTS

ModelBuilder = Callable[..., onnx.ModelProto]
Convert = Callable[..., onnx.ModelProto]

SITE = "CONV n = BatchNormalization(c, scale, shift, mean, var) y = Relu(n)"


def reads(training: onnx.TrainingInfoProto) -> None:
    training.algorithm.CopyFrom(helper.make_graph([helper.make_node("Neg", ["mean"], ["m"])], "step", [], []))


def reads_in_a_subgraph(training: onnx.TrainingInfoProto) -> None:
    negate = helper.make_graph(
        [helper.make_node("Neg", ["mean"], ["m"])], "then", [], [helper.make_empty_tensor_value_info("m")]
    )
    branch = helper.make_node("If", ["flag"], ["b"], then_branch=negate, else_branch=negate)
    training.algorithm.CopyFrom(helper.make_graph([branch], "step", [], []))


def gives(training: onnx.TrainingInfoProto) -> None:
    output = helper.make_empty_tensor_value_info("mean")
    training.initialization.CopyFrom(helper.make_graph([], "start", [], [output]))


def initializes(training: onnx.TrainingInfoProto) -> None:
    training.initialization_binding.add(key="mean", value="zeros")


def updates(training: onnx.TrainingInfoProto) -> None:
    training.update_binding.add(key="mean", value="m")


@pytest.mark.parametrize("use", [reads, reads_in_a_subgraph, gives, initializes, updates])
def test_what_training_refers_to_stays(
    network: ModelBuilder, convert: Convert, use: Callable[[onnx.TrainingInfoProto], None]
) -> None:
    model = network(SITE)
    use(model.training_info.add())
    converted = convert(model)
    onnx.checker.check_model(converted, full_check=True)
    kept = {tensor.name for tensor in converted.graph.initializer}
    assert "mean" in kept
    assert not {"W", "scale", "shift", "var"} & kept
    assert converted.training_info == model.training_info


def test_annotations_keep_what_they_refer_to(network: ModelBuilder, convert: Convert) -> None:
    model = network(SITE)
    annotation = model.graph.quantization_annotation.add(tensor_name="s")
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="scale")
    kept = {tensor.name for tensor in convert(model).graph.initializer}
    assert "scale" in kept
    assert "shift" not in kept


def test_new_names_are_none_of_training(network: ModelBuilder, convert: Convert) -> None:
    """The initializers of training and those of the main graph share their names."""
    model = network(SITE)
    taken = [f"y/{name}" for name in INPUTS]
    own = [numpy_helper.from_array(np.zeros(1, np.float32), name) for name in taken]
    model.training_info.add().algorithm.CopyFrom(helper.make_graph([], "step", [], [], own))
    (node,) = zap_convs(convert(model, threshold=(math.inf,)))
    assert not set(node.input) & set(taken)
