"""The networks and their images: a name → model.onnx, and for every seed the images to calibrate and to test with.

digits    `zaponnx export digits`; the images are scikit-learn's, moved by a few pixels as they were in training
shapes    ResNet-18, trained on what `benchmarks.frontier.shapes` draws
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

import zaponnx
from benchmarks.frontier.shapes import shape_images
from benchmarks.frontier.training import INPUT_SHAPE, train_shapes_network
from zaponnx.calib.data.digits import digit_images, upsampled
from zaponnx.files import atomic_path
from zaponnx.progress import Progress, silent

_PHASE = "frontier"
_REACH = 4  # pixels that a digit is moved by, at most
_COPIES = {"train": 1, "calibration": 4, "test": 8}  # of every digit
_COUNTS = {"train": 4800, "calibration": 1200, "test": 2400}  # of shapes

Images = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
"""Images, float32 (N, 3, H, W), and labels, int64 (N,)."""


@dataclass(frozen=True)
class Network:
    """A network and its data.

    Attributes:
        name: Its name.
        title: What it is, for people.
        export: Writes the trained network to a file.
        images: (split, seed) → images of the split; those of different splits have nothing in common.
        finetuning: Keywords of `zaponnx.finetune`.
    """

    name: str
    title: str
    export: Callable[[Path, Progress], None]
    images: Callable[[str, int], Images]
    finetuning: Mapping[str, Any]

    def model(self, cache: Path, progress: Progress = silent) -> Path:
        """The dense model, made if it is missing."""
        path = cache / self.name / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            self.export(path, progress)
        return path

    def data(self, split: str, seed: int, cache: Path) -> str:
        """The SPEC of a file with images and labels, drawn if it is missing."""
        path = cache / self.name / f"{split}-{seed}.npz"
        if not path.exists():
            images, labels = self.images(split, seed)
            with atomic_path(path, _PHASE) as temporary, temporary.open("wb") as file:
                np.savez(file, input=images, labels=labels)
        return f"npz:{path}"


def moved_digits(split: str, seed: int) -> Images:
    """Every digit of a split several times, each moved by up to four pixels; what is uncovered repeats the edge."""
    images, labels = digit_images(split)
    images = np.tile(upsampled(images, 3, 32, 32), (_COPIES[split], 1, 1, 1))
    padded = np.pad(images, ((0, 0), (0, 0), (_REACH, _REACH), (_REACH, _REACH)), mode="edge")
    offsets = np.random.default_rng(seed).integers(0, 2 * _REACH + 1, (len(images), 2))
    moved = [image[:, y : y + 32, x : x + 32] for image, (y, x) in zip(padded, offsets, strict=True)]
    return np.stack(moved), np.tile(labels, _COPIES[split])


def drawn_shapes(split: str, seed: int) -> Images:
    """Shapes, others for every seed; of the train split always the first, on which the network was trained."""
    draw = 0 if split == "train" else seed
    images, labels = zip(*shape_images(split, _COUNTS[split], draw=draw), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _export_digits(path: Path, progress: Progress) -> None:
    zaponnx.export("digits", path, progress=progress)


def _export_shapes(path: Path, progress: Progress) -> None:
    weights = path.with_name("weights.pt")
    network = train_shapes_network(path.with_name("training.pt"), progress)
    with atomic_path(weights, _PHASE) as temporary:
        torch.save(network.state_dict(), temporary)
    source = f"{train_shapes_network.__module__}:shapes_network"
    zaponnx.export(source, path, weights=str(weights), input_shape=INPUT_SHAPE)


NETWORKS = {
    network.name: network
    for network in (
        Network("digits", "the digits network, 8 sites, 32×32", _export_digits, moved_digits, {}),
        Network(
            "shapes",
            "ResNet-18 on twelve shapes, 16 sites, 64×64",
            _export_shapes,
            drawn_shapes,
            {"epochs": 1},  # more take hours
        ),
    )
}
