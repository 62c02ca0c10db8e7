"""Model files as bytes: parses one without its weights, and writes one with weights that are on disk.

Python's protobuf takes a model's size several times to parse or to write it, and its memory is free again only when all
of the model is. A protobuf message is a row of fields, each with its number and its length; so the raw data of large
initializers, at ModelProto.graph.initializer.raw_data, are found, left out and put in without being looked at.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import onnx
from google.protobuf.message import DecodeError

from zaponnx.weights import LARGE, Extent, extent, refer

_INITIALIZER = (7, 5)
"""The numbers of ModelProto.graph and GraphProto.initializer."""

_RAW_DATA = 9
"""The number of TensorProto.raw_data."""

_LENGTH_DELIMITED = 2
"""The wire type of messages, strings and bytes."""

_WIDTHS = {1: 8, 5: 4}
"""Bytes of the wire types of fixed width."""

Buffer = mmap.mmap | memoryview
Field = tuple[int, int, int, int]
"""A field's number, where it starts, where its content starts, where it ends."""

Piece = bytes | memoryview | Extent
Change = Callable[[Buffer, Field], list[Piece]]


def parse(path: Path) -> onnx.ModelProto:
    """Parses a model file; large initializers of the main graph refer to it, by its absolute path.

    Raises:
        DecodeError: It is no protobuf of a model.
        OSError: It cannot be read.
        ValueError: It is empty.
    """
    location = str(path.absolute())

    def refer_to_file(data: Buffer, field: Field) -> list[Piece]:
        _, start, content, end = field
        if end - content < LARGE:
            return [data[start:end]]
        reference = onnx.TensorProto()
        refer(reference, location, content, end - content)
        return [reference.SerializeToString()]  # merged with the fields beside it

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        pieces = _edited(data, 0, len(data), (*_INITIALIZER, _RAW_DATA), refer_to_file)
    stripped = io.BytesIO()
    _put(pieces, stripped)
    model: onnx.ModelProto = onnx.ModelProto.FromString(stripped.getbuffer())
    return model


def write(model: onnx.ModelProto, stream: BinaryIO) -> None:
    """Writes a model with all of its weights; those that are on disk are copied from there."""

    def embed(data: Buffer, field: Field) -> list[Piece]:
        number, start, content, end = field
        tensor = onnx.TensorProto.FromString(data[content:end])
        found = extent(tensor)
        if found is None:
            return [data[start:end]]
        for name in ("data_location", "external_data"):
            tensor.ClearField(name)
        return _field(number, [tensor.SerializeToString(), *_field(_RAW_DATA, [found])])

    data = memoryview(model.SerializeToString())
    _put(_edited(data, 0, len(data), _INITIALIZER, embed), stream)


def _put(pieces: Iterable[Piece], stream: BinaryIO) -> None:
    for piece in pieces:
        if isinstance(piece, Extent):
            piece.copy_to(stream)
        else:
            stream.write(piece)


def _edited(data: Buffer, start: int, end: int, path: Sequence[int], change: Change) -> list[Piece]:
    """A message in pieces, with the fields at a path of field numbers changed."""
    pieces: list[Piece] = []
    for field in _fields(data, start, end):
        number, field_start, content, field_end = field
        if number != path[0] or content == field_start:
            pieces.append(data[field_start:field_end])
        elif len(path) == 1:
            pieces += change(data, field)
        else:
            pieces += _field(number, _edited(data, content, field_end, path[1:], change))
    return pieces


def _field(number: int, content: list[Piece]) -> list[Piece]:
    """A length-delimited field."""
    return [_varint(number << 3 | _LENGTH_DELIMITED) + _varint(sum(map(len, content))), *content]


def _fields(data: Buffer, start: int, end: int) -> Iterator[Field]:
    """The fields of a message; only those that are length-delimited have a content."""
    while start < end:
        tag, position = _read_varint(data, start, end)
        content, kind = start, tag & 7
        if kind == _LENGTH_DELIMITED:
            length, content = _read_varint(data, position, end)
            position = content + length
        elif kind in _WIDTHS:
            position += _WIDTHS[kind]
        elif kind == 0:
            _, position = _read_varint(data, position, end)
        else:
            raise DecodeError(f"wire type {kind}")
        if position > end:
            raise DecodeError("truncated")
        yield tag >> 3, start, content, position
        start = position


def _read_varint(data: Buffer, start: int, end: int) -> tuple[int, int]:
    """A number, seven bits per byte and the lowest first, and where it ends."""
    value = 0
    for index in range(min(10, end - start)):
        value |= (data[start + index] & 0x7F) << 7 * index
        if data[start + index] < 0x80:
            return value, start + index + 1
    raise DecodeError("no number")


def _varint(value: int) -> bytes:
    coded = bytearray()
    while value > 0x7F:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*coded, value])
