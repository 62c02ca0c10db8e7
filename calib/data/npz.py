"""`npz:FILE`: arrays keyed by the model's input names, and optionally `labels`, as numpy.savez writes them.

`npz:DIR` takes the files *.npz of a directory one after the other, by name. The members of a file are read in parallel,
a piece at a time, also where they are compressed: memory does not grow with the file.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.batch import Batch
from zaponnx.calib.data.inputs import ModelInput
from zaponnx.errors import DataError

_READ_SIZE = 32
_LABELS = "labels"
# What a foreign, truncated, damaged or encrypted file makes zipfile and numpy raise.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, OSError, RuntimeError, ValueError),
    *(SyntaxError, tokenize.TokenError),  # a header is text that Python evaluates
)


@dataclass(frozen=True)
class Member:
    """An array of the file: the shape and dtype that its header declares."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class NpzFiles:
    """Files to be read one after the other, each with the arrays that the model needs."""

    files: tuple[tuple[Path, Mapping[str, Member]], ...]

    @property
    def length(self) -> int:
        """The number of samples in all."""
        return sum(next(iter(members.values())).shape[0] for _, members in self.files)

    def read(self) -> Iterator[Batch]:
        """One pass over the samples."""
        for file, members in self.files:
            yield from _read_npz(file, members)


def open_npz(path: Path, inputs: tuple[ModelInput, ...]) -> NpzFiles:
    """A file, or those of a directory.

    Raises:
        DataError: There is none, one is unsuitable or damaged, or some have labels and others none.
    """
    paths = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if not paths:
        raise DataError("data", "holds no files *.npz", where=str(path))
    files = [(file, _npz_members(file, inputs)) for file in paths]
    for file, members in files:
        if (_LABELS in members) != (_LABELS in files[0][1]):
            with_labels, without = (file, paths[0]) if _LABELS in members else (paths[0], file)
            problem = f"has no labels, and {with_labels.name} has some"
            raise DataError("data", problem, where=str(without), remedy="give all files labels, or none")
    return NpzFiles(tuple(files))


def _npz_members(file: Path, inputs: tuple[ModelInput, ...]) -> Mapping[str, Member]:
    """The arrays that the model needs, and `labels` if it is there.

    Raises:
        DataError: The file is no npz, lacks an input, holds pickled objects, or the numbers of samples differ.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            if missing := [entry.name for entry in inputs if entry.name not in names]:
                problem = f"has no array '{missing[0]}' (it has: {', '.join(sorted(names)) or 'none'})"
                raise DataError("data", problem, where=str(file), remedy="key the arrays by the model's input names")
            wanted = [entry.name for entry in inputs] + [_LABELS] * (_LABELS in names)
            members = {}
            for name in wanted:
                with archive.open(f"{name}.npy") as stream:
                    members[name] = _header(stream, name, file)
    except _DAMAGED as error:
        raise DataError("data", f"is no readable npz file ({error})", where=str(file)) from error
    counts = {name: member.shape[0] for name, member in members.items()}
    if len(set(counts.values())) != 1:
        listing = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise DataError("data", f"the arrays have different numbers of samples: {listing}", where=str(file))
    return members


def _header(stream: IO[bytes], name: str, file: Path) -> Member:
    """Reads a member's header; the stream is then at its first value."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(stream)
    where = f"{file}, array '{name}'"
    if dtype.hasobject:
        remedy = "save plain number arrays with numpy.savez"
        raise DataError("data", "holds pickled objects, which are not read", where=where, remedy=remedy)
    if not shape:
        raise DataError("data", "is a single number, not an array with one entry per sample", where=where)
    if fortran_order and len(shape) > 1:
        problem = "is in Fortran order, which cannot be read sample by sample"
        raise DataError("data", problem, where=where, remedy="save numpy.ascontiguousarray of it")
    return Member(shape, dtype)


def _read_npz(file: Path, members: Mapping[str, Member]) -> Iterator[Batch]:
    """One pass over the samples."""
    total = next(iter(members.values())).shape[0]
    try:
        with ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(file))
            streams = {name: stack.enter_context(archive.open(f"{name}.npy")) for name in members}
            for name, stream in streams.items():
                _header(stream, name, file)
            for start in range(0, total, _READ_SIZE):
                count = min(_READ_SIZE, total - start)
                arrays = {name: _rows(streams[name], member, count) for name, member in members.items()}
                labels = arrays.pop(_LABELS, None)
                yield Batch(arrays, labels)
    except _DAMAGED as error:
        raise DataError("data", f"cannot be read to its end ({error})", where=str(file)) from error


def _rows(stream: IO[bytes], member: Member, count: int) -> npt.NDArray[Any]:
    shape = (count, *member.shape[1:])
    values = np.frombuffer(stream.read(int(np.prod(shape)) * member.dtype.itemsize), dtype=member.dtype)
    return values.reshape(shape)
