"""Pictures of images and maps."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image

from zaponnx.calib.report.pictures import image_uri, map_uri


def pixels(uri: str) -> np.ndarray:
    head, _, content = uri.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(BytesIO(base64.b64decode(content))) as image:
        return np.asarray(image.convert("RGBA") if image.mode == "P" else image)


def test_an_image_is_shown_from_its_darkest_to_its_brightest() -> None:
    gray = pixels(image_uri(np.array([[[-1.0, 0.0], [1.0, 1.0]]])))
    np.testing.assert_array_equal(gray, [[0, 128], [255, 255]])
    color = pixels(image_uri(np.arange(12.0).reshape(3, 2, 2)))
    assert color.shape == (2, 2, 3)


def test_an_image_without_contrast_or_with_nan() -> None:
    assert not pixels(image_uri(np.full((1, 2, 2), 7.0))).any()
    assert pixels(image_uri(np.array([[[np.nan, 1.0]]]))).tolist() == [[0, 255]]


def test_a_map_is_a_color_of_its_share() -> None:
    found = pixels(map_uri(np.array([[0.0, 0.1], [0.2, 0.4]]), 0.2, (1, 2, 3)))
    assert found[:, :, :3].reshape(-1, 3).tolist() == [[1, 2, 3]] * 4
    assert found[:, :, 3].tolist() == [[0, 136], [255, 255]]  # of 16 levels
    assert not pixels(map_uri(np.zeros((2, 2)), 0.0, (1, 2, 3)))[:, :, 3].any()


def test_large_maps_are_averaged() -> None:
    shares = np.tile([[0.0, 1.0], [1.0, 0.0]], (80, 80))
    found = pixels(map_uri(shares, 1.0, (0, 0, 0)))
    assert found.shape == (80, 80, 4)
    assert np.unique(found[:, :, 3]).tolist() == [136]  # 8 of 15, as 7.5 is rounded
