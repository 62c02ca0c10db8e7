from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.frontier import shapes
from benchmarks.frontier.shapes import BLOCK, SHAPES, SIZE, SPLITS, shape_images
from zaponnx.calib.data.script import load_function


def drawn(split: str, count: int = 2 * BLOCK, **options: int) -> tuple[shapes.Maps, shapes.Labels]:
    images, labels = zip(*shape_images(split, count, **options), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def test_images_are_the_same_every_time_and_wherever_one_begins() -> None:
    images, labels = drawn("train")
    again, labels_again = drawn("train")
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, labels_again)
    np.testing.assert_array_equal(drawn("train", first=BLOCK)[0], images[BLOCK:])
    np.testing.assert_array_equal(drawn("train", count=BLOCK + 5)[0], images[: BLOCK + 5])


def test_every_class_is_drawn_equally_often() -> None:
    counts = Counter(drawn("calibration", 3 * BLOCK)[1].tolist())
    assert counts == dict.fromkeys(range(len(SHAPES)), 3 * BLOCK // len(SHAPES))
    assert len(SHAPES) >= 10


def test_no_image_is_in_two_splits_or_two_draws() -> None:
    images = [drawn(split, draw=draw)[0] for split in SPLITS for draw in (0, 1)]
    seen = {image.tobytes() for part in images for image in part}
    assert len(seen) == sum(map(len, images))


def test_images_are_what_the_network_takes() -> None:
    images, labels = drawn("test")
    assert images.shape == (2 * BLOCK, 3, SIZE, SIZE)
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    assert (images.min(), images.max()) == (-2, 2)
    assert images.std(axis=(1, 2, 3)).min() > 0.3  # none is blank


@pytest.mark.parametrize("split", ["calibration", "validation", "test"])
def test_a_split_is_a_data_spec(split: str) -> None:
    batches = load_function(Path(shapes.__file__), split)()
    inputs, labels = next(iter(batches))
    expected, expected_labels = drawn(split, BLOCK)
    np.testing.assert_array_equal(inputs["input"], expected)
    np.testing.assert_array_equal(labels, expected_labels)


def test_the_outlines_differ() -> None:
    """Each pair of shapes, in the same place and pose, differs in at least a twentieth of the area of both."""
    axis = np.linspace(-1, 1, 64, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    inside = [shape(x, y) > 0 for shape in SHAPES.values()]
    for one, first in enumerate(inside):
        for second in inside[:one]:
            assert (first ^ second).sum() > 0.05 * (first | second).sum()
