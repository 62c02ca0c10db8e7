"""Which samples train, which are measured, and which process has them."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from zaponnx.calib.sharing import Plan

BLOCKS = [(0, 10), (10, 10), (20, 3), (23, 1)]


def training(plan: Plan, number: int = 0) -> list[list[int]]:
    """The positions in the pass, share by share."""
    shares = [(start, share) for start, size in BLOCKS for share in plan.training(number, start, size)]
    return [(start + share.samples[: share.own]).tolist() for start, share in shares]


def test_every_fourth_sample_is_measured_and_the_rest_trains() -> None:
    plan = Plan(seed=0, step_samples=5)
    measured = [start + share.samples for start, size in BLOCKS for share in plan.measuring(start, size)]
    assert np.concatenate(measured).tolist() == [3, 7, 11, 15, 19, 23]
    assert sorted(chain(*training(plan))) == [position for position in range(24) if position % 4 != 3]


@pytest.mark.parametrize("step_samples", [1, 2, 5, 7, 18, 100])
def test_no_share_crosses_the_end_of_a_step(step_samples: int) -> None:
    seen = 0
    for share in training(Plan(seed=0, step_samples=step_samples)):
        assert share
        assert seen // step_samples == (seen + len(share) - 1) // step_samples
        seen += len(share)
    assert seen == 18


def test_order_depends_on_seed_pass_and_block_and_on_nothing_else() -> None:
    first = training(Plan(0, 100))
    assert first == training(Plan(0, 100))
    assert first != training(Plan(1, 100))
    assert first != training(Plan(0, 100), number=1)
    assert list(chain(*first)) == list(chain(*training(Plan(0, 2))))


@pytest.mark.parametrize("size", [2, 3, 8])
def test_processes_share_every_step(size: int) -> None:
    alone = training(Plan(0, step_samples=5))
    plans = [Plan(0, 5, rank, size) for rank in range(size)]
    for number, whole in enumerate(alone):
        assert sorted(chain(*(training(plan)[number] for plan in plans))) == sorted(whole)
    for start, count in BLOCKS:
        for shares in zip(*(plan.training(0, start, count) for plan in plans), strict=True):
            assert {share.count for share in shares} == {sum(share.own for share in shares)}
            assert all(len(share.samples) for share in shares)
