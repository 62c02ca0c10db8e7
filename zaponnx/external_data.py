"""External data: finds and checks the files beside a model that hold its weights, and writes such a file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import onnx

from zaponnx.errors import ModelError
from zaponnx.messages import copy_fields
from zaponnx.traversal import tensors
from zaponnx.weights import Extent, extent, refer

_EMBEDDED = 1 << 10
"""Bytes up to which initializers stay in the model's own file: shapes, axes and the like, which its readers want."""

_PAGE = 1 << 12
"""Where external data begin, so that they can be mapped into memory."""


def data_files(model: onnx.ModelProto, path: Path, phase: str) -> list[Path]:
    """The files of a model's external data in the order of their names, each found to hold all that is read from it.

    Args:
        model: The model as `zaponnx.wire.parse` gave it.
        path: Its file.
        phase: The step on whose behalf it is read, for error messages.

    Raises:
        ModelError: A file is missing, too short, or outside the model's directory.
    """
    lengths: dict[Path, int] = {}
    for tensor in tensors(model):
        data = extent(tensor)
        if data is not None and data.path != path.absolute():
            lengths[data.path] = max(lengths.get(data.path, 0), data.offset + data.length)
    for location, length in lengths.items():
        try:
            problem = _problem(path.parent / location, path.parent, length)
        except (OSError, ValueError) as error:  # a name that no file can have
            problem = f"cannot be read: {error}"
        if problem:
            remedy = "copy the model again, together with its data"
            raise ModelError(phase, f"external data '{location}' {problem}", where=str(path), remedy=remedy)
    return [path.parent / location for location in sorted(lengths)]


def _problem(file: Path, directory: Path, length: int) -> str:
    """What is wrong with a file of which so many bytes are used; "" if nothing is."""
    if not file.resolve().is_relative_to(directory.resolve()):
        return "is outside the model's directory"
    if not file.is_file():
        return "is missing"
    return "is truncated" if file.stat().st_size < length else ""


def write_external(models: Sequence[tuple[onnx.ModelProto, Path]], data: Path) -> None:
    """Writes models, and their initializers of more than 1 KiB to one file beside them, those that models share once.

    Args:
        models: Each with the file to write.
        data: The file for the weights, which is not there afterwards if there are none.
    """
    with data.open("wb") as stream:
        written: dict[bytes, int] = {}  # where contents are, if there are several models
        for model, path in models:
            shell = onnx.ModelProto()
            copy_fields(model, shell, {"graph"})
            copy_fields(model.graph, shell.graph, {"initializer"})
            for tensor in model.graph.initializer:
                target = shell.graph.initializer.add()
                content = extent(tensor) or tensor.raw_data
                if len(content) <= _EMBEDDED:
                    target.CopyFrom(tensor)
                    continue
                copy_fields(tensor, target, {"raw_data", "external_data", "data_location"})
                digest = _digest(content) if len(models) > 1 else b""
                offset = written.get(digest)
                if offset is None:
                    offset = _append(content, stream)
                    if digest:
                        written[digest] = offset
                refer(target, data.name, offset, len(content))
            path.write_bytes(shell.SerializeToString())
        empty = not stream.tell()
    if empty:
        data.unlink()


def _append(content: Extent | bytes, stream: BinaryIO) -> int:
    """Writes bytes at the next page of a file; gives where that is."""
    stream.seek(-stream.tell() % _PAGE, os.SEEK_CUR)
    offset = stream.tell()
    if isinstance(content, Extent):
        content.copy_to(stream)
    else:
        stream.write(content)
    return offset


def _digest(content: Extent | bytes) -> bytes:
    digest = hashlib.sha256()
    for block in content.blocks() if isinstance(content, Extent) else (content,):
        digest.update(block)
    return digest.digest()
