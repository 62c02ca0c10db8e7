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
    """A file of the package.

    Attributes:
        path: Where it is in the package, with slashes.
        size: Its bytes.
        sha256: Their SHA-256, 64 lower-case hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: The tensor's name.
        type: As ONNX Runtime writes it, as in "tensor(float)".
        shape: Its dims, each a number from 0, a name, or None where nothing is known.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class ChosenPoint:
    """The operating point that a converted model was written at, as calibration measured it.

    Attributes:
        epsilon: The budget.
        error: What calibration lets expect of the error.
        mac_saved: What it lets expect of the MACs of all calibrated sites to be skipped, as a share.
    """

    epsilon: float
    error: float
    mac_saved: float


@dataclass(frozen=True)
class Description:
    """What a model says of itself.

    Attributes:
        opset: The version of ONNX's operators.
        ir_version: The version of ONNX's format.
        external_data: The files beside it that hold its weights: "weights.data", or none.
        inputs, outputs: Its ports.
        operating_point: What it was converted for; None for a dense model.
        provenance: What `convert` recorded in it, each a line.
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
        file: Where it is: "model.onnx" for the first, "NAME.onnx" for the others.
        source_sha256: The hash of the model that was packed, which `eval` and `bench` measured; weights that several
            models share are in another file since.
        description: What it says of itself.
        test_data: The directories of its test data sets, at least one, numbered from 0.
        accuracy: What `eval` measured; None where it did not.
        speed: What `bench` measured; None where it did not.
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
        description: What it is; "" where that was not said.
        license: Its licence; "" where that was not said.
        tags: Words to find it by.
        test_inputs: The SPEC of the data that the test inputs are from, without folders.
        models: The operating points, 1 to 100, the default first.
        files: All files but the manifest, 1 to 10 000, by ascending path.
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
