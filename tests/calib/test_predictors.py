"""Folding of the predictors' batch norms, and their predictions."""

from __future__ import annotations

import torch

from tests.calib.patches import PATTERN, patchy
from zaponnx.calib.predictors import PredictorModule, pattern_mask, predict


def test_folding_keeps_the_predictions() -> None:
    module = PredictorModule(5, torch.Generator().manual_seed(0))
    for seed in range(3):
        module(patchy(4, 5, torch.Generator().manual_seed(seed)))  # gathers statistics
    module.eval()
    output = patchy(2, 5, torch.Generator().manual_seed(9))
    mask = pattern_mask(PATTERN, output)
    # Tolerance: a few float32 roundings of values around 1.
    torch.testing.assert_close(predict(module.folded(), output, mask), module(output * mask), atol=1e-5, rtol=1e-5)


def test_predictions_depend_on_the_pattern_only() -> None:
    predictor = PredictorModule(2, torch.Generator().manual_seed(0)).folded()
    output = patchy(1, 2, torch.Generator().manual_seed(0))
    mask = pattern_mask(PATTERN, output)
    changed = torch.where(mask, output, output + 1)
    assert torch.equal(predict(predictor, output, mask), predict(predictor, changed, mask))
