"""Reads a data SPEC, writes the DataSource that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from zaponnx.calib.data.digits import digit_images, read_digits
from zaponnx.calib.data.images import Normalization, list_images, read_images
from zaponnx.calib.data.inputs import ModelInput, fixed_batch_size, image_input, model_inputs
from zaponnx.calib.data.noise import check_shapes, read_noise
from zaponnx.calib.data.npz import npz_members, read_npz
from zaponnx.calib.data.script import load_function, read_script
from zaponnx.calib.data.source import Batch, DataSource
from zaponnx.errors import InvalidArgument

_SPECS = "digits, images:DIR, npz:FILE, py:FILE.py:function, random"
_RANDOM_SAMPLES = 256
_SPLITS = ("calibration", "test")
_WITH_SPLITS = ("digits", "random")

Opened = tuple[Callable[[], Iterable[Batch]], int | None]  # starts a pass; samples per pass if known


def open_data(
    spec: str,
    model: onnx.ModelProto,
    *,
    split: str,
    samples: int | None = None,
    batch_size: int = 128,
    preprocess: str | None = None,
    seed: int = 0,
) -> DataSource:
    """Opens a data set for a model.

    Args:
        spec: One of the SPECs that the package's docstring lists.
        model: The model to feed; it gives the inputs' names, shapes and types.
        split: "calibration" or "test"; matters to `digits` and `random` only.
        samples: At most this many samples; all if None, 256 random ones.
        batch_size: Samples per batch, unless the model prescribes its batch size.
        preprocess: Normalisation of images: "imagenet" (default), "none" or "MEAN/STD" as 0.5/0.25; `images` only.
        seed: Of the random values, and of the order in which image files are read.

    Raises:
        InvalidArgument: An unknown SPEC or option, or a path that does not exist.
        DataError: The data cannot be read or do not suit the model.
    """
    if split not in _SPLITS:
        raise InvalidArgument("data", f"unknown split '{split}'", remedy=f"use one of {', '.join(_SPLITS)}")
    for name, value in (("samples", samples), ("batch size", batch_size)):
        if value is not None and value < 1:
            raise InvalidArgument("data", f"{name} is {value}, and must be at least 1")
    kind, _, argument = spec.partition(":")
    if preprocess is not None and kind != "images":
        raise InvalidArgument("data", f"'{spec}' takes no preprocessing", remedy="use it with images:DIR only")
    inputs = model_inputs(model)
    read, length = _open(kind, argument, spec, inputs, split, samples, preprocess or "imagenet", seed)
    if length is not None and samples is not None:
        length = min(length, samples)
    fixed = fixed_batch_size(inputs)
    own_split = split if kind in _WITH_SPLITS else None
    return DataSource(spec, own_split, inputs, read, fixed or batch_size, fixed is not None, samples, length)


def _open(
    kind: str,
    argument: str,
    spec: str,
    inputs: tuple[ModelInput, ...],
    split: str,
    samples: int | None,
    preprocess: str,
    seed: int,
) -> Opened:
    match kind, argument:
        case "digits", "":
            return partial(read_digits, image_input(inputs, default_size=32), split), len(digit_images(split)[0])
        case "random", "":
            check_shapes(inputs)
            count = samples or _RANDOM_SAMPLES
            return partial(read_noise, inputs, count, seed, split), count
        case "images", path if path:
            directory = _existing(path, spec, directory=True)
            normalization = Normalization.parse(preprocess)
            entry = image_input(inputs, default_size=224)
            normalization.check_channels(entry.channels)
            files = list_images(directory)
            order = np.random.default_rng(seed).permutation(len(files))  # class folders must not come one by one
            return partial(read_images, [files[index] for index in order], entry, normalization), len(files)
        case "npz", path if path:
            file = _existing(path, spec)
            members = npz_members(file, inputs)
            return partial(read_npz, file, members), next(iter(members.values())).shape[0]
        case "py", path if ":" in path:
            name, _, function = path.rpartition(":")
            return partial(read_script, load_function(_existing(name, spec), function), spec), None
    raise InvalidArgument("data", f"unknown data '{spec}'", remedy=f"use one of {_SPECS}")


def _existing(path: str, spec: str, *, directory: bool = False) -> Path:
    found = Path(path)
    if not (found.is_dir() if directory else found.is_file()):
        kind = "directory" if directory else "file"
        raise InvalidArgument("data", f"there is no {kind} '{path}'", where=spec)
    return found
