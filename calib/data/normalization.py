"""Normalisations: "imagenet", "none" or MEAN/STD; what is done to an image where no preset of torchvision is.

The image is resized so that its shorter side is 256/224 of the model's size, cropped to the centre, and normalised per
channel as (pixel/255 - mean) / std.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.inputs import ImageInput
from zaponnx.errors import InvalidArgument

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Normalization:
    """Per-channel (pixel/255 - mean) / std; one number holds for all channels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Normalization:
        """Reads "imagenet", "none", or "MEAN/STD" with numbers separated by commas: "0.5/0.25", "0.1,0.2,0.3/1,1,1".

        Raises:
            InvalidArgument: It is none of these.
        """
        named = {"imagenet": cls((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), "none": cls((0.0,), (1.0,))}
        if text in named:
            return named[text]
        try:
            mean, std = (tuple(float(number) for number in part.split(",")) for part in text.split("/"))
        except ValueError as error:
            raise cls._unknown(text) from error
        if len(mean) not in (1, 3) or len(std) not in (1, 3) or not all(value > 0 for value in std):
            raise cls._unknown(text)
        return cls(mean, std)

    @staticmethod
    def _unknown(text: str) -> InvalidArgument:
        remedy = (
            "use auto, torchvision:WEIGHTS, imagenet, none, or MEAN/STD such as "
            "0.485,0.456,0.406/0.229,0.224,0.225 with std above 0"
        )
        return InvalidArgument("data", f"unknown preprocessing '{text}'", remedy=remedy)

    def check_channels(self, channels: int) -> None:
        """Raises InvalidArgument if there are other numbers than for one channel or all `channels`."""
        if not {len(self.mean), len(self.std)} <= {1, channels}:
            remedy = "use --preprocess none, or MEAN/STD with one number each"
            raise InvalidArgument("data", f"the normalisation is for 3 channels, not {channels}", remedy=remedy)

    def apply(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Pixels (H, W, C) from 0 to 255 as (C, H, W)."""
        mean, std = np.array(self.mean), np.array(self.std)
        normalized: npt.NDArray[np.float32] = ((pixels / 255 - mean) / std).astype(np.float32)
        return normalized.transpose(2, 0, 1)


@dataclass(frozen=True)
class CentreCrop:
    """Resizes, crops and normalises images for an input."""

    entry: ImageInput
    normalization: Normalization

    def __call__(self, image: Image) -> npt.NDArray[np.float32]:
        """An image as (C, H, W)."""
        from PIL.Image import Resampling

        image = image.convert("L" if self.entry.channels == 1 else "RGB")
        width, height = self.entry.width, self.entry.height
        scale = 256 / 224 * max(width / image.width, height / image.height)
        size = (max(round(image.width * scale), width), max(round(image.height * scale), height))
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        image = image.resize(size, Resampling.BILINEAR)
        pixels = np.asarray(image.crop((left, top, left + width, top + height)))
        return self.normalization.apply(pixels.reshape(height, width, self.entry.channels))
