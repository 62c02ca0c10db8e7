"""Reads a data SPEC, writes the DataSource that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from zaponnx.calib.data.digits import digit_images, fetch_digits
from zaponnx.calib.data.images import Preprocessing, fetch_images, list_images
from zaponnx.calib.data.inputs import ImageInput, ModelInput, fixed_batch_size, image_input, model_inputs
from zaponnx.calib.data.model_zoo import list_test_sets, read_test_sets, test_set_samples
from zaponnx.calib.data.noise import SPLITS, check_shapes, fetch_noise
from zaponnx.calib.data.normalization import CentreCrop, Normalization
from zaponnx.calib.data.npz import open_npz
from zaponnx.calib.data.presets import Preset, recorded_weights
from zaponnx.calib.data.script import load_function, read_script
from zaponnx.calib.data.source import DataSource, Indexed, Stream
from zaponnx.errors import InvalidArgument

_SPECS = "digits, images:DIR, npz:PATH, test-data:DIR, py:FILE.py:function, random"
_RANDOM_SAMPLES = 256
_WITH_SPLITS = ("digits", "random")


def open_data(
    spec: str,
    model: onnx.ModelProto,
    *,
    split: str,
    samples: int | None = None,
    batch_size: int = 128,
    preprocess: str | None = None,
    seed: int = 0,
    workers: int = 0,
) -> DataSource:
    """Opens a data set for a model.

    Args:
        spec: One of the SPECs that the package's docstring lists.
        model: The model to feed; it gives the inputs' names, shapes and types.
        split: "train", "calibration" or "test"; matters to `digits` and `random` only.
        samples: At most this many samples; all if None, 256 random ones.
        batch_size: Samples per batch, unless the model prescribes its batch size.
        preprocess: What is done to `images`, and to no other data: "imagenet" (default), "none", "MEAN/STD" as
            0.5/0.25, "torchvision:WEIGHTS" for the transforms of those weights, or "auto" for those of the weights
            that the model says it has.
        seed: Of the random values, and of the order in which image files are read.
        workers: Processes that decode images; 0 decodes in this one. The batches are the same.

    Raises:
        InvalidArgument: An unknown SPEC or option, or a path that does not exist.
        DataError: The data cannot be read or do not suit the model.
        RuntimeUnavailable: What this kind of data needs is not installed.
    """
    if split not in SPLITS:
        raise InvalidArgument("data", f"unknown split '{split}'", remedy=f"use one of {', '.join(SPLITS)}")
    for name, value, least in (("samples", samples, 1), ("batch size", batch_size, 1), ("workers", workers, 0)):
        if value is not None and value < least:
            raise InvalidArgument("data", f"{name} is {value}, and must be at least {least}")
    kind, _, argument = spec.partition(":")
    if preprocess is not None and kind != "images":
        raise InvalidArgument("data", f"'{spec}' takes no preprocessing", remedy="use it with images:DIR only")
    inputs = model_inputs(model)
    opened = _open(_Request(spec, kind, argument, model, inputs, split, samples, preprocess or "imagenet", seed))
    length = opened.length
    if length is not None and samples is not None:
        length = min(length, samples)
    fixed = fixed_batch_size(inputs)
    own_split = split if kind in _WITH_SPLITS else None
    return DataSource(
        spec, own_split, inputs, opened.data, fixed or batch_size, fixed is not None, samples, length, workers
    )


@dataclass(frozen=True)
class _Request:
    """What was asked for; `spec` is "kind:argument"."""

    spec: str
    kind: str
    argument: str
    model: onnx.ModelProto
    inputs: tuple[ModelInput, ...]
    split: str
    samples: int | None
    preprocess: str
    seed: int

    def existing(self, path: str, is_there: Callable[[Path], bool], what: str) -> Path:
        if not is_there(Path(path)):
            raise InvalidArgument("data", f"there is no {what} '{path}'", where=self.spec)
        return Path(path)


@dataclass(frozen=True)
class _Opened:
    """The samples, and how many a pass has if that is known."""

    data: Indexed | Stream
    length: int | None

    @classmethod
    def indexed(cls, data: Indexed) -> _Opened:
        return cls(data, data.length)


def _open(request: _Request) -> _Opened:
    inputs, path = request.inputs, request.argument
    match request.kind, path:
        case "digits", "":
            fetch = partial(fetch_digits, image_input(inputs, default_size=32), request.split)
            return _Opened.indexed(Indexed(len(digit_images(request.split)[0]), fetch))
        case "random", "":
            check_shapes(inputs)
            fetch = partial(fetch_noise, inputs, request.seed, request.split)
            return _Opened.indexed(Indexed(request.samples or _RANDOM_SAMPLES, fetch))
        case "images", _ if path:
            directory = request.existing(path, Path.is_dir, "directory")
            entry, preprocessing = _preprocessing(request)
            files = list_images(directory)
            order = np.random.default_rng(request.seed).permutation(len(files))  # class folders must not come in turn
            fetch = partial(fetch_images, [files[index] for index in order], entry, preprocessing)
            return _Opened.indexed(Indexed(len(files), fetch))
        case "npz", _ if path:
            npz = open_npz(request.existing(path, Path.exists, "file"), inputs)
            return _Opened(npz.read, npz.length)
        case "test-data", _ if path:
            sets = list_test_sets(request.existing(path, Path.is_dir, "directory"))
            return _Opened(partial(read_test_sets, sets, inputs), test_set_samples(sets))
        case "py", _ if ":" in path:
            name, _, function = path.rpartition(":")
            script = load_function(request.existing(name, Path.is_file, "file"), function)
            return _Opened(partial(read_script, script, request.spec), None)
    raise InvalidArgument("data", f"unknown data '{request.spec}'", remedy=f"use one of {_SPECS}")


def _preprocessing(request: _Request) -> tuple[ImageInput, Preprocessing]:
    """The input for images, and what makes images suit it."""
    kind, _, weights = request.preprocess.partition(":")
    if kind == "torchvision" or request.preprocess == "auto":
        preset = Preset(weights or recorded_weights(request.model))
        entry = image_input(request.inputs, default_size=preset.size)
        preset.check(entry)
        return entry, preset
    normalization = Normalization.parse(request.preprocess)
    entry = image_input(request.inputs, default_size=224)
    normalization.check_channels(entry.channels)
    return entry, CentreCrop(entry, normalization)
