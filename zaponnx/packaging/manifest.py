"""A package's manifest: what the package consists of, as `manifest.json` and the index of a zoo have it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zaponnx.packaging.measured import Accuracy, Speed

FORMAT = "zaponnx.package"
VERSION = 1


@dataclass(frozen=True)
class PackedFile:
    """A file of the package: its path in it, with slashes, its bytes, and their SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: The tensor's name.
        type: As ONNX Runtime writes it, as in "tensor(float)".
        shape: Its dims: a number, a name, or None where nothing is known.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class ChosenPoint:
    """The operating point that a converted model was written at, as calibration measured it."""

    epsilon: float
    error: float
    mac_saved: float


@dataclass(frozen=True)
class Description:
    """What a model says of itself.

    Attributes:
        opset, ir_version: Its versions.
        external_data: The files beside it that hold its weights.
        inputs, outputs: Its ports.
        operating_point: None for a model that is not converted.
        provenance: What `convert` recorded in it, see docs/artifacts.md.
    """

    opset: int
    ir_version: int
    external_data: tuple[str, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operating_point: ChosenPoint | None
    provenance: Mapping[str, str]


@dataclass(frozen=True)
class PackedModel:
    """One model of the package.

    Attributes:
        name: What it is called.
        file: Where it is.
        source_sha256: The hash of the model that was packed, which `eval` and `bench` measured; weights that several
            models share are in another file since.
        description: What it says of itself.
        test_data: The directories of its test data sets.
        accuracy, speed: What was measured, None where nothing was.
    """

    name: str
    file: str
    source_sha256: str
    description: Description
    test_data: tuple[str, ...]
    accuracy: Accuracy | None
    speed: Speed | None


@dataclass(frozen=True)
class Manifest:
    """What a package consists of.

    Attributes:
        name: What it is called, in an index too.
        zaponnx: The version that packed it.
        description, license: What it is, and its licence, in a line each; "" where that was not said.
        tags: Words to find it by.
        test_inputs: The SPEC of the data that the test inputs are from, without folders.
        models: The operating points, the first one of them the default.
        files: All files but the manifest, in the order of their paths.
    """

    name: str
    zaponnx: str
    description: str
    license: str
    tags: tuple[str, ...]
    test_inputs: str
    models: tuple[PackedModel, ...]
    files: tuple[PackedFile, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """As `manifest.json` has it."""
        document = asdict(self)
        for model in document["models"]:
            model |= model.pop("description")
        return {"format": FORMAT, "version": VERSION, **document}

    def text(self) -> str:
        """The file `manifest.json`, the same for the same manifest."""
        return json.dumps(self.to_json(), allow_nan=False, indent=1, sort_keys=True) + "\n"
