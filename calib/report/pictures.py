"""Pictures for a page: reads images and maps, gives PNGs as data URIs."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

_LARGEST_IMAGE, _LARGEST_MAP = 160, 80
"""Pixels of the longer side: more would make a page large and show no more."""

_LEVELS = 16
"""Of a map's opacity, for the same reason."""


def image_uri(image: npt.NDArray[Any]) -> str:
    """An image (C, H, W), C of 1 or 3 and of any range, from its darkest to its brightest value."""
    finite = np.nan_to_num(np.asarray(image, np.float64))
    low, high = finite.min(), finite.max()
    pixels = np.round((finite - low) / ((high - low) or 1.0) * 255).astype(np.uint8).transpose(1, 2, 0)
    return _uri(_reduced(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, _LARGEST_IMAGE))


def map_uri(shares: npt.NDArray[np.float64], largest: float, color: tuple[int, int, int]) -> str:
    """A map (H, W) of shares as a color (R, G, B), opaque where they are `largest` and clear where they are 0."""
    from PIL import Image

    means = np.asarray(_reduced(shares.astype(np.float32), _LARGEST_MAP))
    levels = np.round(np.clip(means / (largest or 1.0), 0, 1) * (_LEVELS - 1)).astype(np.uint8)
    picture = Image.fromarray(levels).convert("P")
    picture.putpalette([*color] * _LEVELS)
    opacity = bytes(round(level * 255 / (_LEVELS - 1)) for level in range(_LEVELS))
    return _uri(picture, transparency=opacity, bits=4)


def _reduced(pixels: npt.NDArray[Any], largest: int) -> Image:
    """A picture of pixels (H, W) or (H, W, 3); those of a large one are averaged."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    if max(picture.size) > largest:
        picture.thumbnail((largest, largest), Image.Resampling.BOX)
    return picture


def _uri(picture: Image, **options: Any) -> str:
    content = BytesIO()
    picture.save(content, "PNG", optimize=True, **options)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
