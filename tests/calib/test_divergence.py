"""How far outputs are from others, with and without classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zaponnx.calib.divergence import divergence


def test_that_of_scores_is_that_of_the_classes_probabilities() -> None:
    first = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]], dtype=torch.float64)
    second = torch.tensor([[0.25, 0.25, 0.5], [0.2, 0.3, 0.5]], dtype=torch.float64)
    expected = 0.5 * np.log(2) + 0.25 * np.log(0.5)
    for pair in ((first, second), (first.log() + 7, second.log())):
        distance, samples = divergence(*pair)
        assert float(distance) == pytest.approx(expected)
        assert float(samples) == 2
    assert float(divergence(first, first)[0]) == 0


@pytest.mark.parametrize("shape", [(4, 1), (2, 3, 5)])
def test_that_of_other_outputs_is_relative(shape: tuple[int, ...]) -> None:
    outputs = torch.from_numpy(np.random.default_rng(0).standard_normal(shape))
    distance, scale = divergence(outputs, 1.1 * outputs)
    assert float(distance / scale) == pytest.approx(0.01)


def test_parts_add_up() -> None:
    generator = np.random.default_rng(0)
    first, second = (torch.from_numpy(generator.standard_normal((8, 5))) for _ in range(2))
    parts = [divergence(first[part], second[part]) for part in (slice(3), slice(3, 8))]
    for index, whole in enumerate(divergence(first, second)):
        assert float(whole) == pytest.approx(float(parts[0][index] + parts[1][index]))
