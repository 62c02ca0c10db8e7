"""ZapConvs whose predictors learn: the operator forward, and the gradients of its decisions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.formula import formula
from tests.operator.case import Case
from zaponnx.calib.finetuning.torch_model import import_model
from zaponnx.calib.finetuning.zap_conv import TorchZapConv
from zaponnx.calib.learning import LearningZapConv


def both(case: Case) -> tuple[TorchZapConv, LearningZapConv]:
    """The imported ZapConv, and the one that learns."""
    (module,) = import_model(case.model(), "case.onnx").zap_convs
    return module, LearningZapConv.of(module)


def fed(case: Case) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(array)) for array in case.fed().values()]


@pytest.mark.parametrize(
    "case",
    [
        Case(),
        Case(residual=True, nhwc=True, pattern="D", bound=0.5),
        Case(threshold=(-0.2, 0.0, 0.1, 0.2, np.inf, -np.inf)),
    ],
    ids=str,
)
def test_it_is_the_formula(case: Case) -> None:
    _, learning = both(case)
    with torch.no_grad():
        result = learning(*fed(case)).numpy()
    expected = formula(case.attributes(), case.inputs())
    expected.assert_matches(result.transpose(0, 3, 1, 2) if case.nhwc else result)
    assert learning.share.numpy() == pytest.approx(expected.compute.mean(axis=(1, 2, 3)), abs=1e-2)


def test_a_decision_has_the_slope_of_a_sigmoid() -> None:
    """Here of what is computed in channel 0, by its second bias, whose unit is 0.25; there is none in the pattern."""
    case = Case(threshold=(0.1,))
    _, learning = both(case)
    learning(*fed(case))
    torch.autograd.backward(learning.share.sum())
    expected = formula(case.attributes(), case.inputs())
    margin = (expected.predicted[:, 0] - 0.1) / 0.1
    chance = 1 / (1 + np.exp(-margin))
    slopes = np.where(expected.in_pattern[:, 0], 0, chance * (1 - chance) / 0.1)
    gradient = learning.changes["p2"].grad
    assert gradient is not None
    assert float(gradient[0]) == pytest.approx(0.25 * slopes.sum() / expected.result[0].size, rel=1e-4)


@pytest.mark.parametrize("threshold", [math.inf, -math.inf])
def test_infinite_thresholds_have_no_slope(threshold: float) -> None:
    case = Case(threshold=(threshold,))
    _, learning = both(case)
    torch.autograd.backward(learning(*fed(case)).sum() + learning.share.sum())
    for change in learning.changes.values():
        assert change.grad is not None
        assert not change.grad.any()


def test_what_a_predictor_reads_has_no_gradient() -> None:
    """dΣY/dX is that of the outputs that are computed, as if it were fixed which ones."""
    case = Case()
    gradients = []
    for module in both(case):
        (x,) = fed(case)
        x.requires_grad_(True)
        torch.autograd.backward(module(x).sum())
        gradients.append(x.grad)
    assert torch.equal(*gradients)


def test_changes_are_in_units_of_the_channels_weights() -> None:
    module, learning = both(Case())
    with torch.no_grad():
        for change in learning.changes.values():
            change.fill_(0.1)
    learned = learning.learned()
    for name, unit in (("p1", 1.0), ("p2", 0.25)):
        np.testing.assert_allclose(getattr(learned, name), getattr(module, name) + 0.1 * unit, rtol=1e-6)
    for name in ("P1", "P2"):
        before = getattr(module, name).numpy()
        unit = np.sqrt((before**2).mean(axis=(1, 2, 3), keepdims=True))
        np.testing.assert_allclose(getattr(learned, name), before + 0.1 * unit, rtol=1e-5, atol=1e-7)
