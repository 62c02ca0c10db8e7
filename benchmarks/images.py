"""Synthetic images: seeded noise whose spectrum falls with 1/frequency, as that of natural images does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_OWN_SHARE = 0.3  # of a colour in an image's variance; the rest is common to the three, its brightness


def synthetic_images(count: int, size: int, seed: int) -> npt.NDArray[np.float32]:
    """Images (count, 3, size, size), every colour of every image with mean 0 and standard deviation 1."""
    noise = np.random.default_rng(seed).standard_normal((count, 4, size, size))
    rows, columns = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    frequency = np.maximum(np.hypot(rows[:, None], columns), 1 / size)
    smooth = _normalized(np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=(size, size)))
    colors = np.sqrt(1 - _OWN_SHARE) * smooth[:, :1] + np.sqrt(_OWN_SHARE) * smooth[:, 1:]
    return _normalized(colors).astype(np.float32)


def _normalized(maps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    centred = maps - maps.mean(axis=(2, 3), keepdims=True)
    normalized: npt.NDArray[np.float64] = centred / centred.std(axis=(2, 3), keepdims=True)
    return normalized
