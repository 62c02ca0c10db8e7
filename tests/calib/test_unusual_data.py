"""Data that are few, without labels or smaller than a batch: what calibrate and eval make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import zaponnx
from zaponnx import measurement_tables
from zaponnx.errors import DataError


@pytest.fixture
def path(model: onnx.ModelProto, tmp_path: Path) -> Path:
    """The file of a model of two sites for images of 16 x 16."""
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 16
    onnx.save_model(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def images(directory: Path, count: int) -> str:
    """A SPEC of images without folders."""
    directory.mkdir()
    generator = np.random.default_rng(0)
    for number in range(count):
        pixels = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(directory / f"{number}.png")
    return f"images:{directory}"


def test_a_directory_without_classes_calibrates_and_has_no_accuracy(path: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "flat", 9)
    made = zaponnx.calibrate(path, data, tmp_path / "model.zapcal", epochs=1, refine_steps=0)
    assert made.settings["samples"] == 9
    evaluation = zaponnx.eval([path], data)
    assert (evaluation.models[0].top1, evaluation.models[0].top5, evaluation.samples) == (None, None, 9)
    assert measurement_tables.evaluate(evaluation).endswith(", without labels")


def test_a_single_image_is_too_few_to_calibrate_but_can_be_evaluated(path: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "single", 1)
    with pytest.raises(DataError, match=r"1 samples are too few: .*; give at least 4 samples"):
        zaponnx.calibrate(path, data, tmp_path / "model.zapcal")
    assert not list(tmp_path.glob("model.zapcal*"))
    assert zaponnx.eval([path], data).samples == 1


def test_a_batch_larger_than_the_data_is_all_of_them(path: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "few", 7)
    made = zaponnx.calibrate(path, data, tmp_path / "model.zapcal", epochs=1, refine_steps=0, batch_size=1000)
    assert (made.settings["samples"], made.sites[0].samples) == (7, 1)
    assert zaponnx.eval([path], data, batch_size=1000).samples == 7


def test_two_runs_write_equal_files_with_any_number_of_workers(path: Path, tmp_path: Path) -> None:
    data = images(tmp_path / "images", 12)
    outputs = [tmp_path / f"{number}.zapcal" for number in range(3)]
    for output, workers in zip(outputs, (0, 0, 2), strict=True):
        zaponnx.calibrate(path, data, output, epochs=1, refine_steps=0, batch_size=5, workers=workers)
    assert outputs[0].read_bytes() == outputs[1].read_bytes() == outputs[2].read_bytes()
