"""Files and directories on disk: written whole or not at all, never over an input, and known by their hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zaponnx.errors import InvalidArgument, OutputError


def check_output(path: Path, phase: str, inputs: Iterable[Path] = ()) -> None:
    """Refuses, before any work is done, an output that cannot be written or would destroy an input.

    Raises:
        InvalidArgument: `path` is one of the inputs, or something else than a file, or its directory does not exist or
            cannot be written to.
    """
    if not path.parent.is_dir():
        raise InvalidArgument(phase, f"there is no directory '{path.parent}'", remedy="make it first")
    if path.exists() and not path.is_file():
        raise InvalidArgument(phase, "is there already and no file", where=str(path), remedy="give another output")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InvalidArgument(phase, f"the directory '{path.parent}' cannot be written to")
    if path.resolve() in (file.resolve() for file in inputs):
        raise InvalidArgument(phase, "the output is also an input", where=str(path), remedy="give another output")


def files_of_data(spec: str) -> list[Path]:
    """The paths that a data SPEC may read, for `check_output`: its file, or a script's before the function."""
    argument = spec.partition(":")[2]
    return [Path(argument), Path(argument.rpartition(":")[0])]


@contextmanager
def writing(path: Path, phase: str) -> Iterator[None]:
    """Turns the system's errors in the block into one that names the file that the user asked for.

    Raises:
        OutputError: The disk is full, the directory has vanished, and the like.
    """
    try:
        yield
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        raise OutputError(phase, problem, where=str(path)) from error


@contextmanager
def atomic_path(path: Path, phase: str) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which replaces `path` if the block succeeds.

    The temporary file has `path`'s suffixes; if the block raises, it is removed and `path` stays as it was.

    Raises:
        OutputError: As in `writing`, in the block too.
    """
    with writing(path, phase):
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        flush(path.parent)


@contextmanager
def atomic_directory(path: Path, phase: str) -> Iterator[Path]:
    """Yields a temporary directory beside `path`, which replaces `path`, and all that is in it, if the block succeeds.

    If the block raises, it is removed and `path` stays as it was.

    Raises:
        OutputError: As in `writing`, in the block too.
    """
    with writing(path, phase):
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as place:
            new, old = Path(place) / "new", Path(place) / "old"
            new.mkdir()
            yield new
            for each in (*new.rglob("*"), new):
                flush(each)
            if path.exists():
                path.replace(old)
            try:
                new.replace(path)
            except OSError:
                if old.exists():
                    old.replace(path)
                raise
        flush(path.parent)


def flush(path: Path) -> None:
    """Makes a file's content, or a directory's entries, outlast a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(*paths: Path) -> str:
    """The SHA-256 of the files' bytes, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
