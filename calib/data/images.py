"""`images:DIR`: image files, either in one folder per class (labels by sorted folder name) or flat without labels.

Every image is resized so that its shorter side is 256/224 of the model's size, cropped to the centre, and normalised
per channel as (pixel/255 - mean) / std.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.inputs import ImageInput
from zaponnx.calib.data.source import Batch
from zaponnx.errors import DataError, InvalidArgument, RuntimeUnavailable

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
_READ_SIZE = 16


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
        remedy = "use imagenet, none, or MEAN/STD such as 0.485,0.456,0.406/0.229,0.224,0.225 with std above 0"
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


def list_images(directory: Path) -> list[tuple[Path, int | None]]:
    """The image files below the class folders with their labels, or those of a flat directory without.

    Raises:
        DataError: There are none, or files and class folders are mixed.
    """
    folders = sorted(entry for entry in directory.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    flat = _images_in(directory)
    if flat and folders:
        raise DataError(
            "data",
            "holds both image files and folders",
            where=str(directory),
            remedy="keep one folder per class, or image files only",
        )
    labelled = [(file, label) for label, folder in enumerate(folders) for file in _images_in(folder)]
    if not labelled and not flat:
        remedy = f"give one folder per class, or files, with {' '.join(sorted(_SUFFIXES))}"
        raise DataError("data", "holds no images", where=str(directory), remedy=remedy)
    return [*labelled, *((file, None) for file in flat)]


def _images_in(directory: Path) -> list[Path]:
    return sorted(file for file in directory.iterdir() if file.suffix.lower() in _SUFFIXES and file.is_file())


def read_images(
    files: list[tuple[Path, int | None]], entry: ImageInput, normalization: Normalization
) -> Iterator[Batch]:
    """One pass over the files, in their order."""
    for start in range(0, len(files), _READ_SIZE):
        part = files[start : start + _READ_SIZE]
        arrays = np.stack([normalization.apply(_pixels(file, entry)) for file, _ in part])
        labels = [label for _, label in part if label is not None]
        yield Batch({entry.name: arrays.astype(entry.dtype)}, np.array(labels, dtype=np.int64) if labels else None)


def _pixels(file: Path, entry: ImageInput) -> npt.NDArray[np.uint8]:
    """The image resized and cropped to the centre, (height, width, channels)."""
    try:
        from PIL import Image
    except ImportError as error:
        raise RuntimeUnavailable("data", "images need pillow", remedy="pip install 'zaponnx[calib]'") from error
    try:
        with Image.open(file) as opened:
            image = opened.convert("L" if entry.channels == 1 else "RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError("data", f"cannot be read as an image ({error})", where=str(file)) from error
    scale = 256 / 224 * max(entry.width / image.width, entry.height / image.height)
    size = (max(round(image.width * scale), entry.width), max(round(image.height * scale), entry.height))
    left, top = (size[0] - entry.width) // 2, (size[1] - entry.height) // 2
    image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image.crop((left, top, left + entry.width, top + entry.height)))
    return pixels.reshape(entry.height, entry.width, entry.channels)
