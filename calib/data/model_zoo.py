"""`test-data:DIR`: the directories test_data_set_N of the ONNX model zoo, each with input_K.pb for the K-th input.

A DIR of such directories, or one of them. Each is a batch, and has no labels: output_K.pb holds what the model gave.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError

from zaponnx.calib.data.batch import Batch
from zaponnx.calib.data.inputs import ModelInput
from zaponnx.errors import DataError

_SET = re.compile(r"test_data_set_(\d+)")


def list_test_sets(directory: Path) -> list[Path]:
    """The data sets, by number.

    Raises:
        DataError: There are none.
    """
    if (directory / "input_0.pb").is_file():
        return [directory]
    numbered = [(int(match[1]), path) for path in directory.iterdir() if (match := _SET.fullmatch(path.name))]
    if not numbered:
        raise DataError("data", "holds no test_data_set_N and no input_0.pb", where=str(directory))
    return [path for _, path in sorted(numbered)]


def test_set_samples(directories: list[Path]) -> int:
    """How many samples the data sets hold in all."""
    return sum((_tensor(directory / "input_0.pb").dims or [0])[0] for directory in directories)


def read_test_sets(directories: list[Path], inputs: tuple[ModelInput, ...]) -> Iterator[Batch]:
    """One pass, a batch per data set."""
    for directory in directories:
        tensors = [_tensor(directory / f"input_{index}.pb") for index in range(len(inputs))]
        # Names decide if they are the model's: some sets number the inputs in another order, and many name none.
        names = {tensor.name for tensor in tensors}
        by_name = names == {entry.name for entry in inputs}
        wanted = [tensor.name for tensor in tensors] if by_name else [entry.name for entry in inputs]
        yield Batch({name: _array(tensor, directory) for name, tensor in zip(wanted, tensors, strict=True)}, None)


def _tensor(file: Path) -> onnx.TensorProto:
    tensor = onnx.TensorProto()
    try:
        tensor.ParseFromString(file.read_bytes())
    except FileNotFoundError as error:
        raise DataError("data", "is missing, and the model has an input for it", where=str(file)) from error
    except (OSError, DecodeError) as error:
        raise DataError("data", f"is no tensor that can be read ({error})", where=str(file)) from error
    return tensor


def _array(tensor: onnx.TensorProto, directory: Path) -> npt.NDArray[Any]:
    where = f"{directory}, tensor '{tensor.name}'"
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise DataError("data", "keeps its values in another file, which is not read", where=where)
    try:
        return onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError("data", f"is no tensor that can be read ({error})", where=where) from error
