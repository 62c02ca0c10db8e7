"""Training of predictors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.calib.patches import PATTERN, patchy
from zaponnx.calib.losses import TRAININGS
from zaponnx.calib.predictors import pattern_mask, predict
from zaponnx.calib.training import PredictorTrainer
from zaponnx.patterns import Pattern

STEPS = 120


def trained(training: str, channels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Other samples' outputs, and what predictors that were trained in three passes predict, outside the pattern."""
    generator = torch.Generator().manual_seed(seed)
    trainer = PredictorTrainer([channels], PATTERN, seed=0, step_samples=8, training=TRAININGS[training])
    for epoch in range(3):
        trainer.start_pass(epoch, 3)
        for _ in range(STEPS // 3):
            trainer.add([patchy(8, channels, generator)], 8)
    output = patchy(32, channels, generator)
    mask = pattern_mask(PATTERN, output)
    return output[:, :, ~mask], predict(trainer.predictors()[0], output, mask)[:, :, ~mask]


def lost(output: torch.Tensor, order: torch.Tensor) -> float:
    """The share of the outputs' sum that is lost if the half that comes first in an order is skipped."""
    return float(output.flatten()[order.flatten().argsort()[: order.numel() // 2]].sum() / output.sum())


def test_the_papers_loss_falls_below_that_of_the_best_constant_prediction() -> None:
    output, predictions = trained("paper", 4, seed=0)
    constant = (output > 0).float().mean().expand_as(output)
    target = (output > 0).float()
    found, least = (float((each.clamp(0, 1) - target).square().mean()) for each in (predictions, constant))
    assert found < 0.5 * least


@pytest.mark.parametrize("training", TRAININGS)
def test_every_channel_learns(training: str) -> None:
    """No channel starts where a clamp, or its ReLU, passes no gradient."""
    output, predictions = trained(training, 32, seed=1)
    by_chance = torch.rand(output.shape, generator=torch.Generator().manual_seed(0))
    assert max(lost(output[:, c], predictions[:, c]) / lost(output[:, c], by_chance[:, c]) for c in range(32)) < 0.2


def test_the_default_loses_less_than_the_paper_where_as_many_are_skipped() -> None:
    losses = {training: lost(*trained(training, 16, seed=2)) for training in TRAININGS}
    assert losses["default"] < losses["paper"]


def test_the_learning_rate_falls_from_pass_to_pass_unless_it_is_the_papers() -> None:
    trainer = PredictorTrainer([2], PATTERN, seed=0, step_samples=8)
    before = trainer.predictors()[0].P2
    trainer.start_pass(9, 10)
    trainer.add([patchy(8, 2, torch.Generator().manual_seed(0))], 8)
    # Adam's first step moves each weight by its learning rate, P2's before batch norm's scale of at most 0.25 / std.
    assert TRAININGS["default"].rate(9, 10) < 0.05 * TRAININGS["default"].rate(0, 10)
    assert np.abs(trainer.predictors()[0].P2 / before - 1).max() < 1
    assert {TRAININGS["paper"].rate(epoch, 5) for epoch in range(5)} == {0.01}


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
