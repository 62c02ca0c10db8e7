"""Pictures for a page: reads images and maps, gives PNGs as data URIs."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGEST = 80
"""Pixels of a picture's longer side: more would make a page large and show no more."""


def image_uri(image: npt.NDArray[Any]) -> str:
    """An image (C, H, W), C of 1 or 3 and of any range, from its darkest to its brightest value."""
    finite = np.nan_to_num(np.asarray(image, np.float64))
    low, high = finite.min(), finite.max()
    pixels = np.round((finite - low) / ((high - low) or 1.0) * 255).astype(np.uint8).transpose(1, 2, 0)
    return _png(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def map_uri(shares: npt.NDArray[np.float64], largest: float, color: tuple[int, int, int]) -> str:
    """A map (H, W) of shares as a color (R, G, B), opaque where they are `largest` and clear where they are 0."""
    opacity = np.round(np.clip(shares / (largest or 1.0), 0, 1) * 255).astype(np.uint8)
    return _png(np.dstack([*(np.full_like(opacity, value) for value in color), opacity]))


def _png(pixels: npt.NDArray[np.uint8]) -> str:
    from PIL import Image

    picture = Image.fromarray(pixels)
    if max(picture.size) > _LARGEST:
        picture.thumbnail((_LARGEST, _LARGEST), Image.Resampling.BOX)
    content = BytesIO()
    picture.save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
