"""Test data sets: writes and reads the files input_K.pb and output_K.pb of a package, each tensor with its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from zaponnx.errors import ArtifactError
from zaponnx.packaging.manifest import Port
from zaponnx.soundness import tensor_problem

Arrays = Mapping[str, npt.NDArray[Any]]


def write_test_set(directory: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Writes a test data set; the order of the arrays is that of the model's inputs and outputs.

    Raises:
        OSError: The system refuses it.
    """
    directory.mkdir(parents=True)
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for index, (name, array) in enumerate(arrays.items()):
            tensor = numpy_helper.from_array(array, name)
            (directory / f"{kind}_{index}.pb").write_bytes(tensor.SerializeToString(deterministic=True))


def read_test_set(
    directory: Path, inputs: Sequence[Port], outputs: Sequence[Port], phase: str
) -> tuple[Arrays, Arrays]:
    """The inputs and the outputs of a test data set, by name.

    Raises:
        ArtifactError: A file is damaged, or is not the tensor that the model has there.
    """
    return _arrays(directory, "input", inputs, phase), _arrays(directory, "output", outputs, phase)


def _arrays(directory: Path, kind: str, ports: Sequence[Port], phase: str) -> Arrays:
    return {port.name: _array(directory / f"{kind}_{index}.pb", port, phase) for index, port in enumerate(ports)}


def _array(file: Path, port: Port, phase: str) -> npt.NDArray[Any]:
    tensor = onnx.TensorProto()
    try:
        tensor.ParseFromString(file.read_bytes())
        problem = tensor_problem(tensor) or _difference(tensor, port)
        if not problem:
            return numpy_helper.to_array(tensor)
    except (DecodeError, ValueError, TypeError, KeyError, OSError) as error:
        problem = f"is no tensor that can be read ({error})"
    raise ArtifactError(phase, problem, where=str(file))


def _difference(tensor: onnx.TensorProto, port: Port) -> str:
    """What keeps a tensor from being that of a port, "" if nothing does."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return "keeps its values in another file"
    name = f"tensor({onnx.TensorProto.DataType.Name(tensor.data_type).lower()})"
    if (tensor.name, name) != (port.name, port.type):
        return f"is '{tensor.name}', a {name}, and not '{port.name}', a {port.type}"
    if port.shape and len(tensor.dims) != len(port.shape):
        return f"has {len(tensor.dims)} dims, and not {len(port.shape)}"
    return ""
