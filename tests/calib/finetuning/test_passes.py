"""Passes over the data: every sample once, in an order of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from zaponnx.calib.data import DataSource, open_data
from zaponnx.calib.finetuning.passes import Passes
from zaponnx.progress import silent

MODEL = '<ir_version: 8, opset_import: ["": 17]> one (float[N, 1] x) => (float[N, 1] y) { y = Relu (x) }'


def source(path: Path, count: int, **options: int) -> DataSource:
    """The numbers from 0 to `count`, which are their labels, too."""
    np.savez(path / "numbers.npz", x=np.arange(count, dtype=np.float32)[:, None], labels=np.arange(count))
    spec = f"npz:{path / 'numbers.npz'}"
    return open_data(spec, onnx.parser.parse_model(MODEL), split="train", **options)


def epoch(passes: Passes, number: int) -> list[int]:
    labels = []
    for batch in passes.epoch(number):
        assert batch.labels is not None
        assert np.array_equal(batch.inputs["x"][:, 0], batch.labels)
        labels += batch.labels.tolist()
    return labels


@pytest.mark.parametrize(("samples", "known"), [(None, range(100)), (30, range(30))])
def test_every_epoch_has_all_samples_in_another_order(tmp_path: Path, samples: int | None, known: range) -> None:
    data = source(tmp_path, 100, batch_size=16, samples=samples)
    passes = Passes(data, 2, 0, silent)
    first, second = epoch(passes, 0), epoch(passes, 1)
    assert sorted(first) == sorted(second) == list(known)
    assert first != second
    assert first != list(known)
    assert passes.samples == len(known)
    assert epoch(Passes(data, 2, 0, silent), 1) == second
    assert epoch(Passes(data, 2, 1, silent), 1) != second


def test_statistics_see_the_same_samples_twice_and_never_a_single_one(tmp_path: Path) -> None:
    passes = Passes(source(tmp_path, 33, batch_size=16), 1, 0, silent)
    first, second = ([inputs["x"][:, 0].tolist() for inputs in passes.statistics("step")] for _ in range(2))
    assert first == second
    assert [len(batch) for batch in first] == [16, 16]


def test_statistics_take_some_samples_of_many(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    passes = Passes(
        source(tmp_path, 20000, batch_size=1000), 1, 0, lambda step, done, total: told.append((done, total))
    )
    assert sum(len(inputs["x"]) for inputs in passes.statistics("step")) == 16000
    assert told[-1] == (16000, 16000)


def test_a_stretch_is_shuffled_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here four batches: 16 numbers of 4 bytes."""
    monkeypatch.setattr("zaponnx.calib.finetuning.passes._STRETCH_BYTES", 64)
    found = epoch(Passes(source(tmp_path, 40, batch_size=4), 1, 0, silent), 0)
    assert [sorted(found[start : start + 16]) for start in (0, 16, 32)] == [
        list(range(start, min(start + 16, 40))) for start in (0, 16, 32)
    ]
    assert found[:16] != list(range(16))


def test_images_are_shuffled_as_a_whole(tmp_path: Path) -> None:
    for value in range(40):
        folder = tmp_path / f"{value:02}"
        folder.mkdir()
        Image.new("L", (4, 4), value).save(folder / "image.png")
    text = MODEL.replace("N, 1", "N, 1, 4, 4")
    data = open_data(
        f"images:{tmp_path}", onnx.parser.parse_model(text), split="train", preprocess="none", batch_size=4
    )
    passes = Passes(data, 2, 0, silent)
    orders = []
    for number in range(2):
        batches = list(passes.epoch(number))
        orders.append([int(label) for batch in batches for label in batch.labels])
        seen = [round(float(image.max()) * 255) for batch in batches for image in batch.inputs["x"]]
        assert seen == orders[-1]
        assert sorted(seen) == list(range(40))
    assert orders[0] != orders[1]
