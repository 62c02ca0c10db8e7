"""What is minimised: cross-entropy with labels, and the divergence from the dense network's outputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from zaponnx.calib.data import Batch
from zaponnx.calib.finetuning.losses import distillation_loss, labels_loss
from zaponnx.calib.finetuning.torch_model import import_model
from zaponnx.errors import ModelError


def classifier(probabilities: bool) -> onnx.ModelProto:
    """Its outputs are its inputs times W: logits, or their probabilities."""
    nodes = "s = MatMul (x, W)\n y = Softmax (s)" if probabilities else "y = MatMul (x, W)"
    text = f'<ir_version: 8, opset_import: ["": 17]> classifier (float[N, 3] x) => (float[N, 3] y) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(numpy_helper.from_array(np.eye(3, dtype=np.float32), "W"))
    return model


@pytest.fixture
def batch() -> Batch:
    logits = np.array([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]], np.float32)
    return Batch({"x": logits}, np.array([0, 2]))


@pytest.mark.parametrize("probabilities", [False, True])
def test_cross_entropy_of_logits_and_of_probabilities(batch: Batch, probabilities: bool) -> None:
    model = classifier(probabilities)
    loss = labels_loss(model)(import_model(model, "model.onnx")(batch.inputs), batch)
    exponentials = np.exp(batch.inputs["x"])
    right = exponentials[[0, 1], [0, 2]] / exponentials.sum(axis=1)
    assert float(loss.detach()) == pytest.approx(-np.log(right).mean(), rel=1e-5)


@pytest.mark.parametrize("probabilities", [False, True])
def test_divergence_from_the_dense_network(batch: Batch, probabilities: bool) -> None:
    model = classifier(probabilities)
    dense = import_model(model, "model.onnx")
    loss = distillation_loss(model, dense)
    scores = dense(batch.inputs).detach()
    assert float(loss(scores, batch)) == pytest.approx(0, abs=1e-7)
    uniform = torch.full((2, 3), 1 / 3)
    p = np.exp(batch.inputs["x"]) / np.exp(batch.inputs["x"]).sum(axis=1, keepdims=True)
    assert float(loss(uniform, batch)) == pytest.approx((p * np.log(3 * p)).sum() / 2, rel=1e-5)


def test_outputs_that_are_no_scores(batch: Batch) -> None:
    with pytest.raises(ModelError, match=r"its first output has shape \[2, 3, 4, 4\], not one score per class"):
        labels_loss(classifier(False))(torch.zeros(2, 3, 4, 4), batch)
