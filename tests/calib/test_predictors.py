"""Training of predictors, and the folding of their batch norms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from zaponnx.calib.predictors import PredictorModule, PredictorTrainer, pattern_mask, predict
from zaponnx.patterns import Pattern

PATTERN = Pattern.parse("B")


def patchy(samples: int, channels: int, generator: torch.Generator) -> torch.Tensor:
    """Outputs whose zeros come in patches, as in a CNN: smoothed noise after ReLU, (samples, channels, 16, 16)."""
    noise = torch.randn(samples, channels, 20, 20, generator=generator)
    return functional.avg_pool2d(noise, 5, stride=1).relu()


def loss(predictions: torch.Tensor, output: torch.Tensor, mask: torch.Tensor) -> float:
    """The training loss: mean squared error over all outputs, none where the pattern is."""
    return float((((predictions.clamp(0, 1) - (output > 0).float()) * ~mask) ** 2).mean())


def test_training_beats_the_best_constant_prediction_on_other_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    trainer = PredictorTrainer([4], PATTERN, seed=0, step_samples=8)
    for _ in range(120):
        trainer.add([patchy(8, 4, generator)], 8)
    output = patchy(32, 4, generator)
    mask = pattern_mask(PATTERN, output)
    found = loss(predict(trainer.predictors()[0], output, mask), output, mask)
    share = float((output[:, :, ~mask] > 0).float().mean())
    constant = loss(torch.full_like(output, share), output, mask)
    assert found < 0.5 * constant


def test_every_channel_learns() -> None:
    """No channel starts where the clamp, or its ReLU, passes no gradient."""
    generator = torch.Generator().manual_seed(1)
    trainer = PredictorTrainer([32], PATTERN, seed=3, step_samples=8)
    for _ in range(120):
        trainer.add([patchy(8, 32, generator)], 8)
    output = patchy(16, 32, generator)
    mask = pattern_mask(PATTERN, output)
    predictions = predict(trainer.predictors()[0], output, mask)
    errors = [loss(predictions[:, c], output[:, c], mask) for c in range(32)]
    assert max(errors) < 0.8 * 0.25 / 2  # 0.25 is a constant's error, half of the outputs are predicted


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


def directions(step_samples: int, parts: list[torch.Tensor]) -> np.ndarray:
    """The first kernels after training, each by its norm: batch norms scale kernels but do not turn them."""
    trainer = PredictorTrainer([3], PATTERN, seed=0, step_samples=step_samples)
    for part in parts:
        trainer.add([part], len(part))
    trainer.step()
    kernels = trainer.predictors()[0].P1
    return kernels / np.linalg.norm(kernels, axis=(2, 3), keepdims=True)


def test_a_step_adds_up_the_gradients_of_its_samples() -> None:
    """Parts of equal statistics, so that batch norm sees the same in one as in two."""
    part = patchy(4, 3, torch.Generator().manual_seed(0))
    whole = directions(8, [torch.cat([part, part])])
    np.testing.assert_allclose(directions(8, [part, part]), whole, atol=1e-5)
    assert np.abs(directions(4, [part, part]) - whole).max() > 1e-3  # two steps of Adam


def test_training_goes_on_from_its_state_in_the_middle_of_a_step() -> None:
    parts = [patchy(3, 3, torch.Generator().manual_seed(seed)) for seed in range(6)]
    whole, first, second = (PredictorTrainer([3], PATTERN, seed, step_samples=9) for seed in (0, 0, 1))
    for part in parts:
        whole.add([part], 3)
    for part in parts[:4]:
        first.add([part], 3)
    second.load_state_dict(first.state_dict())
    for part in parts[4:]:
        second.add([part], 3)
    for name in ("P1", "p1", "P2", "p2"):
        assert np.array_equal(getattr(second.predictors()[0], name), getattr(whole.predictors()[0], name))


def test_sites_do_not_influence_each_other() -> None:
    batches = [patchy(8, 3, torch.Generator().manual_seed(seed)) for seed in range(3)]
    alone, together = (PredictorTrainer(channels, PATTERN, seed=0, step_samples=8) for channels in ([3], [3, 2]))
    for batch in batches:
        alone.add([batch], 8)
        together.add([batch, batch[:, :2] * 5], 8)
    np.testing.assert_allclose(alone.predictors()[0].P1, together.predictors()[0].P1, rtol=1e-6)


@pytest.mark.parametrize(("pattern", "samples"), [("B", 4), ("D", 1)])
def test_a_map_that_the_pattern_covers_or_a_single_output_has_nothing_to_train(pattern: str, samples: int) -> None:
    trainer = PredictorTrainer([2], Pattern.parse(pattern), seed=0, step_samples=1)
    before = trainer.predictors()[0]
    trainer.add([torch.ones(samples, 2, 1, 1)], samples)
    assert np.array_equal(trainer.predictors()[0].P1, before.P1)


@pytest.mark.parametrize("name", ["P1", "p1", "P2", "p2"])
def test_the_same_seed_gives_the_same_predictor(name: str) -> None:
    trained = []
    for _ in range(2):
        trainer = PredictorTrainer([3], PATTERN, seed=5, step_samples=8)
        trainer.add([patchy(8, 3, torch.Generator().manual_seed(0))], 8)
        trained.append(getattr(trainer.predictors()[0], name))
    assert np.array_equal(*trained)
