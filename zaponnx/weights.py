"""Weights that stay on disk: initializers that a model in memory refers to instead of holding them.

Such an initializer has external data whose location is an absolute path: that of the model's data file or, where the
weights are embedded, that of the model file itself. So a model is read, copied and written without its weights ever
being in memory, and costs of theirs are paid only by those who ask for their values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy.typing as npt
import onnx
from onnx import numpy_helper
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

LARGE = 1 << 14
"""Bytes from which an initializer stays on disk. Those that shapes are inferred from are smaller."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Extent:
    """Bytes of a file.

    Attributes:
        path: The file.
        offset, length: Where they are in it.
    """

    path: Path
    offset: int
    length: int

    def __len__(self) -> int:
        return self.length

    def read(self) -> bytes:
        """The bytes."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.length)

    def blocks(self) -> Iterator[bytes]:
        """The bytes, a block at a time."""
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            for start in range(0, self.length, _BLOCK):
                yield stream.read(min(_BLOCK, self.length - start))

    def copy_to(self, target: BinaryIO) -> None:
        """Writes the bytes to a stream, a block at a time."""
        target.writelines(self.blocks())


def extent(tensor: onnx.TensorProto) -> Extent | None:
    """Where a tensor's bytes are, None if it holds them.

    Raises:
        ValueError: Its external data have no valid offset and length.
    """
    if not uses_external_data(tensor):
        return None
    if len({entry.key for entry in tensor.external_data}) < len(tensor.external_data):
        raise ValueError("a key of its external data occurs twice")
    try:
        data = ExternalDataInfo(tensor)
    except ValueError as error:
        raise ValueError("its external data have no valid offset and length") from error
    return Extent(Path(data.location), data.offset or 0, data_bytes(tensor) if data.length is None else data.length)


def refer(tensor: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    """Makes a tensor refer to its bytes in place of holding them."""
    for field in ("raw_data", "external_data"):
        tensor.ClearField(field)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def hold(tensor: onnx.TensorProto) -> None:
    """Makes a tensor hold its bytes."""
    found = extent(tensor)
    if found is not None:
        tensor.raw_data = found.read()
        for field in ("data_location", "external_data"):
            tensor.ClearField(field)


def values(tensor: onnx.TensorProto) -> npt.NDArray[Any]:
    """The values of a tensor, wherever they are."""
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    hold(copy)
    return numpy_helper.to_array(copy)


def data_bytes(tensor: onnx.TensorProto) -> int:
    """How many bytes the values take as raw data.

    Raises:
        ValueError: ONNX does not know the type, or it has no raw data.
    """
    if tensor.data_type not in onnx.TensorProto.DataType.values():
        raise ValueError(f"its type {tensor.data_type} is unknown")
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    if name in ("UNDEFINED", "STRING"):
        raise ValueError(f"its type {name} has no raw data")
    bits = re.search(r"\d+", name)  # as in INT4 and FLOAT8E5M2
    width = int(bits[0]) if bits else {"FLOAT": 32, "DOUBLE": 64, "BOOL": 8}[name]
    return -(-math.prod(map(int, tensor.dims)) * width // 8)  # rounded up
