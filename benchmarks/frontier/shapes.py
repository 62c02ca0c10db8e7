"""A data set: images of twelve shapes amid clutter, drawn by numpy from a seed; any number of them, always the same.

What is to be told is the outline. Pose, colours, textures, light, noise, small distractors and what hides a part of the
shape are drawn independently of it. A split is a seed of its own, and so no image is in two of them. As a data SPEC of
the command line: `py:benchmarks/frontier/shapes.py:calibration`, and likewise `validation` and `test`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Maps = npt.NDArray[np.float32]  # numpy's types lose the float32 on the way: what computes one is annotated by Any
Labels = npt.NDArray[np.int64]
Random = np.random.Generator

SIZE = 64
SPLITS = {"train": 24_000, "calibration": 2_400, "validation": 2_400, "test": 4_800}
"""Split → its images; more of any split can be drawn."""

BLOCK = 24
"""How many images are drawn together, equally many of every class."""

_SEED = 20200823
_DISTRACTORS = 3
_LIMITS = (0.05, 0.95)  # of colours ...
_DARK, _BRIGHT = (0.05, 0.5), (0.45, 0.9)  # ... of the background, and of the shape


def _disc(x: Maps, y: Maps) -> Any:
    return 0.85 - np.hypot(x, y)


def _ring(x: Maps, y: Maps) -> Any:
    return 0.22 - np.abs(np.hypot(x, y) - 0.7)


def _polygon(corners: int) -> Callable[[Maps, Maps], Any]:
    part = 2 * np.pi / corners

    def level(x: Maps, y: Maps) -> Any:
        angle = np.mod(np.arctan2(y, x), part) - part / 2
        return np.cos(part / 2) - np.hypot(x, y) * np.cos(angle)

    return level


def _frame(x: Maps, y: Maps) -> Any:
    return 0.19 - np.abs(np.maximum(np.abs(x), np.abs(y)) - 0.62)


def _star(x: Maps, y: Maps) -> Any:
    spike = np.abs(np.mod(np.arctan2(y, x) * 5 / (2 * np.pi), 1) - 0.5)
    return 0.45 + 1.54 * spike**1.5 - np.hypot(x, y)


def _flower(x: Maps, y: Maps) -> Any:
    return 0.7 + 0.25 * np.cos(5 * np.arctan2(y, x)) - np.hypot(x, y)


def _cross(x: Maps, y: Maps) -> Any:
    x, y = np.abs(x), np.abs(y)
    return np.minimum(0.27 - np.minimum(x, y), 0.95 - np.maximum(x, y))


def _crescent(x: Maps, y: Maps) -> Any:
    return np.minimum(0.9 - np.hypot(x, y), np.hypot(x - 0.45, y) - 0.7)


def _half_disc(x: Maps, y: Maps) -> Any:
    return np.minimum(0.95 - np.hypot(x + 0.35, y), x + 0.35)


def _angle(x: Maps, y: Maps) -> Any:
    corner = np.maximum(0.27 - np.abs(x + 0.5), 0.27 - np.abs(y + 0.5))
    return np.minimum(corner, 0.8 - np.maximum(np.abs(x), np.abs(y)))


SHAPES = {
    "disc": _disc,
    "ring": _ring,
    "triangle": _polygon(3),
    "square": _polygon(4),
    "pentagon": _polygon(5),
    "frame": _frame,
    "star": _star,
    "flower": _flower,
    "cross": _cross,
    "crescent": _crescent,
    "half disc": _half_disc,
    "angle": _angle,
}
"""Class → its level: positive inside of the shape, about the distance from its outline; the shape's radius is 1."""


def shape_images(
    split: str, count: int | None = None, *, first: int = 0, draw: int = 0
) -> Iterator[tuple[Maps, Labels]]:
    """Draws a split, or a part of it.

    Args:
        split: One of SPLITS.
        count: Where to stop; at SPLITS' number of images if None.
        first: How many images to leave out, a multiple of 24.
        draw: Chooses other images of the same kind, which belong to the split as well.

    Yields:
        Images, float32 (N, 3, 64, 64), black -2 and white 2, and labels, int64 (N,), N at most 24.
    """
    count = SPLITS[split] if count is None else count
    for start in range(first, count, BLOCK):
        random = np.random.default_rng([_SEED, list(SPLITS).index(split), draw, start])
        images, labels = _block(random)
        yield images[: count - start], labels[: count - start]


def calibration() -> Iterator[tuple[dict[str, Maps], Labels]]:
    """The split as batches of a network whose input is named "input"."""
    return (({"input": images}, labels) for images, labels in shape_images("calibration"))


def validation() -> Iterator[tuple[dict[str, Maps], Labels]]:
    """Likewise."""
    return (({"input": images}, labels) for images, labels in shape_images("validation"))


def test() -> Iterator[tuple[dict[str, Maps], Labels]]:
    """Likewise."""
    return (({"input": images}, labels) for images, labels in shape_images("test"))


def _block(random: Random) -> tuple[Maps, Labels]:
    labels = random.permutation(np.arange(BLOCK) % len(SHAPES))
    canvas = _background(random)
    for _ in range(_DISTRACTORS):
        kinds = random.integers(0, len(SHAPES), BLOCK)
        _paint(canvas, _posed(random, kinds, scale=(0.08, 0.25), reach=0.95), _textured(random, *_LIMITS))
    _paint(canvas, _posed(random, labels, scale=(0.42, 0.8), reach=0.25), _textured(random, *_BRIGHT))
    _paint(canvas, _bars(random), _textured(random, *_LIMITS))
    return _photographed(canvas, random), labels


def _uniform(random: Random, low: float, high: float, *shape: int) -> Maps:
    """Uniform values (BLOCK, *shape), with two axes for the pixels behind them."""
    return random.uniform(low, high, (BLOCK, *shape, 1, 1)).astype(np.float32)


def _grid(random: Random, scale: Maps, reach: float) -> tuple[Any, Any]:
    """The pixels' coordinates, which the image spans from -1 to 1, seen from a figure of a random place and pose."""
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5) * 2 / SIZE - 1
    x, y = axis[None, :] - _uniform(random, -reach, reach), axis[:, None] - _uniform(random, -reach, reach)
    angle, stretch = _uniform(random, 0, 2 * np.pi), np.exp(_uniform(random, -0.2, 0.2))
    slant = _uniform(random, -0.25, 0.25)
    x, y = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (x + slant * y) / (scale * stretch), y / scale * stretch


def _posed(random: Random, kinds: Labels, scale: tuple[float, float], reach: float) -> Any:
    """How much of every pixel figures of these kinds cover, (BLOCK, SIZE, SIZE)."""
    sizes = _uniform(random, *scale)
    x, y = _grid(random, sizes, reach)
    level = np.empty_like(x)
    for kind, shape in enumerate(SHAPES.values()):
        chosen = kinds == kind
        level[chosen] = shape(x[chosen], y[chosen])
    return np.clip(level * sizes * SIZE / 2 + 0.5, 0, 1)


def _bars(random: Random) -> Any:
    """What bars of any direction cover, none in half of the images."""
    width = _uniform(random, 0.02, 0.14) * (_uniform(random, 0, 1) < 0.5)
    across, _ = _grid(random, np.ones((BLOCK, 1, 1), np.float32), reach=0.5)
    return np.clip((width - np.abs(across)) * SIZE / 2 + 0.5 * (width > 0), 0, 1)


def _background(random: Random) -> Maps:
    """Two colours, mixed by noise whose spectrum falls with 1/frequency, (BLOCK, 3, SIZE, SIZE) from 0 to 1."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)).clip(1 / SIZE)
    noise = np.fft.rfft2(random.standard_normal((BLOCK, SIZE, SIZE))) / frequency ** _uniform(random, 0.6, 1.6)
    smooth = np.fft.irfft2(noise, s=(SIZE, SIZE))
    smooth /= smooth.std(axis=(1, 2), keepdims=True)
    return _mixed(random, 0.5 + 0.3 * smooth, *_DARK)


def _textured(random: Random, low: float, high: float) -> Maps:
    """Two colours, mixed by waves, likewise."""
    x, y = _grid(random, _uniform(random, 0.03, 0.3), reach=1)
    return _mixed(random, 0.5 + 0.5 * np.sin(x) * np.where(_uniform(random, 0, 1) < 0.5, np.sin(y), 1), low, high)


def _mixed(random: Random, share: npt.NDArray[np.floating], low: float, high: float) -> Maps:
    first, change = _uniform(random, low, high, 3), _uniform(random, -0.2, 0.2, 3)
    mixed: Maps = np.clip(first + change * share[:, None].clip(0, 1), 0, 1)
    return mixed


def _paint(canvas: Maps, cover: Maps, color: Maps) -> None:
    """Lays a colour over the canvas where it covers."""
    canvas += cover[:, None] * (color - canvas)


def _photographed(canvas: Maps, random: Random) -> Any:
    """The canvas in uneven light, with the camera's noise, black -2 and white 2."""
    x, _ = _grid(random, np.ones((BLOCK, 1, 1), np.float32), reach=0)
    light = _uniform(random, 0.7, 1.1) * (1 + _uniform(random, 0, 0.3) * x)
    noise = random.standard_normal(canvas.shape, np.float32) * _uniform(random, 0.01, 0.08, 1)
    return ((canvas * light[:, None] + noise).clip(0, 1) * 4 - 2).astype(np.float32)
