"""Files on disk: whole or not at all, and known by their hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zaponnx.errors import InvalidArgument


def require_directory(path: Path, phase: str) -> None:
    """Raises InvalidArgument if the directory that `path` is to be written to does not exist."""
    if not path.parent.is_dir():
        raise InvalidArgument(phase, f"there is no directory '{path.parent}'", remedy="make it first")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which replaces `path` if the block succeeds.

    The temporary file has `path`'s suffixes; if the block raises, it is removed and `path` stays as it was.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(*paths: Path) -> str:
    """The SHA-256 of the files' bytes, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
