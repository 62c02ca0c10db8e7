"""`digits`: scikit-learn's 1,797 handwritten digits, with a fixed split into train, calibration and test."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.batch import Batch, Positions
from zaponnx.calib.data.inputs import ImageInput
from zaponnx.errors import RuntimeUnavailable

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

_SPLIT_SEED = 20200823


@cache
def digit_images(split: str) -> tuple[Images, Labels]:
    """The images of a split, "train" (60 %), "calibration" or "test" (20 % each), stratified, in a fixed random order.

    Returns:
        Images, float32 (N, 8, 8) from 0 to 1, and labels, int64 (N,).

    Raises:
        RuntimeUnavailable: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        remedy = "pip install 'zaponnx[calib]'"
        raise RuntimeUnavailable("data", "the digits need scikit-learn", remedy=remedy) from error
    digits = load_digits()
    labels = digits.target.astype(np.int64)
    train, rest = train_test_split(np.arange(len(labels)), train_size=0.6, stratify=labels, random_state=_SPLIT_SEED)
    calibration, test = train_test_split(rest, train_size=0.5, stratify=labels[rest], random_state=_SPLIT_SEED)
    chosen = {"train": train, "calibration": calibration, "test": test}[split]
    return (digits.images[chosen] / 16).astype(np.float32), labels[chosen]


def upsampled(images: Images, channels: int, height: int, width: int) -> Images:
    """Digits (N, 8, 8) from 0 to 1 as network input: bilinear (N, channels, height, width) from -1 to 1."""
    resized = np.einsum("yi,nij,xj->nyx", _bilinear(height), images, _bilinear(width), optimize=True)
    return np.repeat((resized * 2 - 1)[:, None], channels, axis=1).astype(np.float32)


def _bilinear(size: int) -> Images:
    """The (size, 8) matrix that interpolates 8 pixels at `size` pixel centres, edges repeated."""
    centres = (np.arange(size) + 0.5) * 8 / size - 0.5
    return np.stack([np.interp(centres, np.arange(8), pixel) for pixel in np.eye(8)], axis=1).astype(np.float32)


def fetch_digits(entry: ImageInput, split: str, positions: Positions) -> Batch:
    """Some of a split, upsampled to the model's input."""
    images, labels = digit_images(split)
    array = upsampled(images[positions], entry.channels, entry.height, entry.width)
    return Batch({entry.name: array.astype(entry.dtype)}, labels[positions])
