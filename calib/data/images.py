"""`images:DIR`: image files, either in one folder per class (labels by sorted folder name) or flat without labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.batch import Batch, Positions
from zaponnx.calib.data.inputs import ImageInput
from zaponnx.errors import DataError, RuntimeUnavailable

if TYPE_CHECKING:
    from PIL.Image import Image

Preprocessing = Callable[["Image"], npt.NDArray[np.float32]]
"""Turns an image into (C, H, W) as a model wants it."""

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}


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


def fetch_images(
    files: list[tuple[Path, int | None]], entry: ImageInput, preprocessing: Preprocessing, positions: Positions
) -> Batch:
    """Some of the files, as the model wants them."""
    part = [files[position] for position in positions]
    arrays = np.stack([_read(file, preprocessing) for file, _ in part])
    labels = [label for _, label in part if label is not None]
    return Batch({entry.name: arrays.astype(entry.dtype)}, np.array(labels, dtype=np.int64) if labels else None)


def _read(file: Path, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    try:
        from PIL import Image
    except ImportError as error:
        raise RuntimeUnavailable("data", "images need pillow", remedy="pip install 'zaponnx[calib]'") from error
    try:
        with Image.open(file) as image:
            image.load()
            return preprocessing(image)
    except Exception as error:  # of any kind: what Pillow's decoders stumble over in a damaged file
        raise DataError("data", f"cannot be read as an image ({error})", where=str(file)) from error
