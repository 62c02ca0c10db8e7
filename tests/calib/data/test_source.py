"""The stream of batches: sizes, limits, repetition."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
import pytest

from zaponnx.calib.data import Batch, DataSource, open_data
from zaponnx.calib.data.batch import Positions
from zaponnx.calib.data.inputs import ModelInput
from zaponnx.calib.data.source import Indexed
from zaponnx.errors import DataError

INPUT = ModelInput("x", np.dtype(np.float32), (None, 1))


def source(sizes: list[int], *, batch_size: int, samples: int | None = None, fixed: bool = False) -> DataSource:
    """Samples 0, 1, 2, ... with their number as label, read in batches of the sizes given."""

    def read() -> Iterator[Batch]:
        start = 0
        for size in sizes:
            numbers = np.arange(start, start + size)
            yield Batch({"x": numbers[:, None].astype(np.float32)}, numbers)
            start += size

    return DataSource("test", None, (INPUT,), read, batch_size, fixed, samples, None)


@pytest.mark.parametrize("sizes", [[10], [1] * 10, [3, 0, 7], [4, 4, 2]])
@pytest.mark.parametrize("samples", [None, 1, 4, 9, 10, 99])
def test_samples_keep_their_order_whatever_the_sizes(sizes: list[int], samples: int | None) -> None:
    batches = list(source(sizes, batch_size=4, samples=samples))
    count = min(samples or 10, 10)
    assert [batch.size for batch in batches] == [4] * (count // 4) + [count % 4] * (count % 4 > 0)
    assert np.concatenate([batch.inputs["x"][:, 0] for batch in batches]).tolist() == list(range(count))
    assert np.concatenate([batch.labels for batch in batches if batch.labels is not None]).tolist() == list(
        range(count)
    )


def test_no_more_is_read_than_needed() -> None:
    limited = source([5, 5, 5], batch_size=5, samples=5)
    read: list[int] = []

    def counted() -> Iterator[Batch]:
        for batch in limited.data():
            read.append(batch.size)
            yield batch

    list(DataSource("test", None, (INPUT,), counted, 5, False, 5, None))
    assert read == [5]


def test_every_pass_is_the_same() -> None:
    data = source([6, 5], batch_size=4)
    first, second = ([batch.inputs["x"].tolist() for batch in data] for _ in range(2))
    assert first == second


def test_a_fixed_batch_must_divide_the_samples(fed_by: Callable[..., onnx.ModelProto]) -> None:
    assert [batch.size for batch in source([10], batch_size=4, fixed=True, samples=8)] == [4, 4]
    with pytest.raises(DataError, match=r"10 samples do not divide .* fixed batches of 4; use --samples with a mult"):
        list(source([10], batch_size=4, fixed=True))
    assert open_data("random", fed_by(input=[6, 3]), split="test", batch_size=128).batch_size == 6


def test_labels_for_some_batches_only_are_refused() -> None:
    def read() -> Iterator[Batch]:
        yield Batch({"x": np.zeros((2, 1), np.float32)}, np.zeros(2, int))
        yield Batch({"x": np.zeros((2, 1), np.float32)}, None)

    with pytest.raises(DataError, match="some batches have labels and others have none"):
        list(DataSource("test", None, (INPUT,), read, 4, False, None, None))


def test_only_what_is_chosen_is_read() -> None:
    fetched: list[int] = []

    def fetch(positions: Positions) -> Batch:
        fetched.extend(positions)
        return Batch({"x": positions[:, None].astype(np.float32)}, None)

    def choose(start: int, size: int) -> Positions:
        return np.array([2, 0]) if start == 4 else np.array([], np.intp)

    indexed = DataSource("test", None, (INPUT,), Indexed(11, fetch), 3, False, 10, 10)
    stream = source([5, 6], batch_size=3, samples=10)
    for data in (indexed, stream):
        blocks = list(data.blocks(choose, 4))
        assert [(block.start, block.size, block.chosen is None) for block in blocks] == [
            (0, 4, True),
            (4, 4, False),
            (8, 2, True),
        ]
        assert blocks[1].chosen is not None
        assert blocks[1].chosen.inputs["x"].ravel().tolist() == [6, 4]
    assert fetched == [6, 4]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turns_share_the_batches(turns: int) -> None:
    data = source([10, 11], batch_size=4)
    whole = [batch.inputs["x"].ravel().tolist() for batch in data]
    assert len(whole) == 6
    for turn in range(turns):
        chosen = [block.chosen and block.chosen.inputs["x"].ravel().tolist() for block in data.every(turns, turn)]
        assert chosen == [batch if number % turns == turn else None for number, batch in enumerate(whole)]
