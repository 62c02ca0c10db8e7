"""ZapConv in torch: the formula, and the gradient through what is computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.formula import formula
from tests.operator.case import Case
from zaponnx.calib.finetuning.torch_model import TorchModel, import_model


def imported(case: Case) -> TorchModel:
    return import_model(case.model(), "case.onnx")


@pytest.mark.parametrize(
    "case",
    [
        Case(),
        Case(residual=True),
        Case(nhwc=True),
        Case(residual=True, nhwc=True, pattern="D"),
        Case(bound=0.5, pattern="C"),
        Case(strides=(2, 1), pads=(2, 0, 1, 1), dilations=(1, 2), group=2, size=(11, 12)),
        Case(threshold=(-0.2, 0.0, 0.1, 0.2, np.inf, -np.inf)),
    ],
    ids=str,
)
def test_it_is_the_formula(case: Case) -> None:
    inputs = {name: np.ascontiguousarray(array) for name, array in case.fed().items()}
    with torch.no_grad():
        result = imported(case)(inputs).numpy()
    formula(case.attributes(), case.inputs()).assert_matches(result.transpose(0, 3, 1, 2) if case.nhwc else result)


def test_without_predictors_everything_is_computed() -> None:
    case = Case(threshold=(np.inf,))
    model = imported(case)
    with torch.no_grad():
        predicted = model(case.fed()).numpy()
        model.predict(active=False)
        dense = model(case.fed()).numpy()
    assert np.allclose(dense, formula(case.attributes(), case.inputs()).result, atol=1e-5)
    assert (predicted != dense).mean() > 0.1


def test_the_gradient_flows_through_what_is_computed_and_nothing_else() -> None:
    """dΣY/dB of a channel is the number of its outputs that are computed and above zero."""
    case = Case()
    model = imported(case)
    bias = model.weights["B"].tensor.requires_grad_(True)
    result = model(case.fed())
    torch.autograd.backward(result.sum())
    assert bias.grad is not None
    assert torch.equal(bias.grad, (result > 0).sum(dim=(0, 2, 3)).float())
    assert (result > 0).float().mean() < (formula(case.attributes(), case.inputs()).result > 0).mean()
