"""Worker processes: the same results in the same order, and errors as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from zaponnx.calib.data import open_data
from zaponnx.calib.data.workers import mapped
from zaponnx.errors import DataError

FedBy = Callable[..., onnx.ModelProto]


def test_images_are_the_same_for_any_number_of_workers(fed_by: FedBy, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for index in range(25):
            pixels = generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{index}.png")
    model = fed_by(input=["N", 3, 16, 16])
    passes = [
        list(open_data(f"images:{tmp_path}", model, split="test", batch_size=20, workers=count)) for count in (0, 2)
    ]
    assert [batch.size for batch in passes[0]] == [20, 20, 10]
    for first, second in zip(*passes, strict=True):
        assert np.array_equal(first.inputs["input"], second.inputs["input"])
        assert np.array_equal(first.labels, second.labels)
    os.truncate(tmp_path / "dog" / "7.png", 60)
    with pytest.raises(DataError, match=r"data: .*7\.png: cannot be read as an image"):
        list(open_data(f"images:{tmp_path}", model, split="test", workers=1))


def test_arguments_are_taken_as_the_results_are(tmp_path: Path) -> None:
    """And not all at once: they may be more than memory holds."""
    taken: list[float] = []

    def arguments() -> Iterator[float]:
        for number in range(100):
            taken.append(number)
            yield float(number)

    results = mapped(abs, arguments(), workers=1)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) < 20
    results.close()


def test_a_worker_that_dies_is_an_error() -> None:
    with pytest.raises(DataError, match="a worker process has died; use fewer --workers"):
        list(mapped(partial(os._exit), [1], workers=1))
