"""Statistics that are estimated again with the predictors active: of batch norms, and of what they were folded into."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from tests.operator.case import Case
from zaponnx.calib.finetuning.statistics import reestimate_statistics
from zaponnx.calib.finetuning.torch_model import TorchModel, import_model

Inputs = dict[str, np.ndarray]


@pytest.fixture
def batches() -> list[Inputs]:
    generator = np.random.default_rng(0)
    return [{"X": generator.standard_normal((16, 4, 12, 12)).astype(np.float32)} for _ in range(8)]


@pytest.fixture
def model() -> onnx.ModelProto:
    """A ZapConv that computes its pattern only; behind it a Conv with a bias, and one without and its batch norm."""
    model = Case(threshold=(np.inf,), pattern="D").model()
    graph = model.graph
    graph.node.append(helper.make_node("Conv", ["Y", "W1", "B1"], ["folded"], name="folded"))
    graph.node.append(helper.make_node("Conv", ["folded", "W2"], ["plain"], name="plain"))
    graph.node.append(helper.make_node("BatchNormalization", ["plain", "S", "T", "M", "V"], ["normed"], name="norm"))
    generator = np.random.default_rng(1)
    shapes = {"W1": (5, 6, 3, 3), "B1": (5,), "W2": (3, 5, 1, 1), "S": (3,), "T": (3,), "M": (3,), "V": (3,)}
    for name, shape in shapes.items():
        graph.initializer.append(
            numpy_helper.from_array(generator.random(shape, np.float32) - 0.3 * ("W" in name), name)
        )
    graph.output[0].CopyFrom(helper.make_tensor_value_info("normed", onnx.TensorProto.FLOAT, ["N", 3, "H", "W"]))
    return model


def of_channels(model: TorchModel, weight: str, batches: list[Inputs], active: bool) -> tuple[Tensor, Tensor]:
    """Mean and variance of what the convolution with a weight gives."""
    seen: list[Tensor] = []
    handle = model.weights[weight].module.register_forward_hook(lambda module, _, output: seen.append(output))
    model.predict(active)
    with torch.no_grad():
        for batch in batches:
            model(batch)
    handle.remove()
    outputs = torch.cat(seen)
    return outputs.mean(dim=(0, 2, 3)), outputs.var(dim=(0, 2, 3))


def test_means_and_variances_are_those_of_the_dense_network_again(
    model: onnx.ModelProto, batches: list[Inputs]
) -> None:
    module = import_model(model, "model.onnx")
    wanted = of_channels(module, "W1", batches, active=False)
    assert not np.allclose(of_channels(module, "W1", batches, active=True)[0], wanted[0], rtol=0.1)
    assert reestimate_statistics(module, lambda step: batches) == 3
    found = of_channels(module, "W1", batches, active=True)
    # The batches' statistics differ a little from those of all of them.
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.allclose(ours, theirs, rtol=0.02, atol=0.01)


def test_a_batch_norm_has_the_statistics_of_its_input(model: onnx.ModelProto, batches: list[Inputs]) -> None:
    module = import_model(model, "model.onnx")
    reestimate_statistics(module, lambda step: batches)
    mean, variance = of_channels(module, "W2", batches, active=True)
    assert np.allclose(module.weights["M"].values(), mean, rtol=0.02, atol=0.01)
    assert np.allclose(module.weights["V"].values(), variance, rtol=0.02, atol=0.01)
    assert np.array_equal(module.weights["W2"].values(), numpy_helper.to_array(initializer(model, "W2")))


def initializer(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def test_without_predictors_nothing_changes_but_batch_norms(model: onnx.ModelProto, batches: list[Inputs]) -> None:
    """Thresholds of −∞ compute everything: both passes see the same."""
    node = model.graph.node[0]
    attribute = next(attribute for attribute in node.attribute if attribute.name == "threshold")
    attribute.floats[:] = [-np.inf]
    module = import_model(model, "model.onnx")
    reestimate_statistics(module, lambda step: batches)
    for name in ("W", "B"):
        assert np.allclose(module.weights[name].values(), numpy_helper.to_array(initializer(model, name)), atol=1e-5)


def test_what_is_no_weight_stays(model: onnx.ModelProto, batches: list[Inputs]) -> None:
    module = import_model(model, "model.onnx")
    frozen = TorchModel(module.module, module.inputs, {name: module.weights[name] for name in ("W", "W1", "W2")})
    assert reestimate_statistics(frozen, lambda step: batches) == 0
    assert np.array_equal(module.weights["M"].values(), numpy_helper.to_array(initializer(model, "M")))
