"""A package as .tar.gz: writes one that is the same for the same files, and reads one that a stranger made.

An archive is a gzip file of a plain ustar file, with nothing in it but ordinary files: NAME/manifest.json first, so
that all that follows is known beforehand, then the files that it lists, in its order. A reader writes nothing but
those, under the names that the manifest has been found to give them, and reads no byte more than it declares.

Files have one form only: each header and each zero of tar is as it is written here, and so are the manifest's text and
gzip's header and end. Only how the bytes between are deflated may differ, as it does between versions of zlib.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.files import writing
from zaponnx.packaging import paths
from zaponnx.packaging.manifest import Manifest
from zaponnx.packaging.manifest_schema import LARGEST_MANIFEST, parse_manifest
from zaponnx.packaging.native import check_allowed

SUFFIX = ".tar.gz"

AGAIN = "get the package again, from whom you trust"
"""What helps where a package is not sound."""

_BLOCK = tarfile.BLOCKSIZE

_GZIP = bytes.fromhex("1f8b 08 00 00000000 00 ff")
"""A gzip file's header: deflated, without a name, comment, extra field or time, by an unknown system."""

_INTO_GZIP = 31
"""The `wbits` with which zlib reads gzip's header and checks its end."""

_PIECE = 1 << 20
_LARGEST_MEMBER = 8**11 - 1
"""Bytes of the largest file that a ustar archive can hold."""

_SMALL = 1 << 26
_LARGEST_RATIO = 100
"""How many times its own size an archive may unpack to, if that is not small. Trained weights: less than twice."""


def write_archive(directory: Path, manifest: Manifest, path: Path, phase: str) -> None:
    """Writes an archive of a package's directory.

    Raises:
        InvalidArgument: A file is too large for an archive.
        OSError: The system refuses it.
    """
    for file in manifest.files:
        if file.size > _LARGEST_MEMBER:
            problem = f"'{file.path}' has {file.size} bytes, and an archive holds files of up to 8 GiB"
            raise InvalidArgument(phase, problem, remedy="give a directory as output")
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        text = manifest.text().encode()
        archive.addfile(_member(f"{manifest.name}/{paths.MANIFEST}", len(text)), io.BytesIO(text))
        for file in manifest.files:
            with (directory / file.path).open("rb") as stream:
                archive.addfile(_member(f"{manifest.name}/{file.path}", file.size), stream)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A file's header, of no owner and no time."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def read_archive(path: Path, target: Path | None, phase: str, *, allow_native: bool) -> Manifest:
    """Checks an archive and, if there is a target, writes its files.

    Args:
        path: The archive.
        target: An empty directory, whose content is of use only if no error is raised; None only checks.
        phase: The step on whose behalf it is read, for error messages.
        allow_native: Whether it may have native libraries.

    Raises:
        ArtifactError: It is no package, or a damaged or hostile one.
        OutputError: The system refuses what is written.
    """
    with _Unzipped(path, phase) as stream:
        manifest, text = _read_manifest(stream)
        check_allowed(manifest, str(path), phase, allow_native=allow_native)
        _check_size(manifest, path, phase)
        if text != manifest.text().encode():
            stream.refuse("its manifest has another form than pack gives it")
        if target is not None:
            with writing(target, phase):
                (target / paths.MANIFEST).write_text(manifest.text(), encoding="utf-8")
        remaining = {f"{manifest.name}/{file.path}": file for file in manifest.files}
        order = [f"{manifest.name}/{paths.MANIFEST}", *remaining]
        seen = order[:1]
        while (member := stream.member()) is not None:
            file = remaining.pop(member.name, None)
            if file is None or not _is_ordinary(member):
                stream.refuse(f"'{printable(member.name)}' {_why(member, seen)}")
            if member.size != file.size:
                stream.refuse(f"'{member.name}' has {member.size} bytes, not {file.size} as the manifest says")
            seen.append(member.name)
            if _copy(stream, file.size, None if target is None else target / file.path, phase) != file.sha256:
                stream.refuse(f"'{member.name}' does not have the SHA-256 that the manifest says")
        if remaining:
            stream.refuse(f"'{min(remaining)}' is missing")
        if seen != order:
            stream.refuse("its files are not in the order of the manifest")
        stream.end()
    return manifest


def printable(name: str) -> str:
    """A name that a stranger chose, of a length and in characters that can be shown."""
    return ascii(name[:100])[1:-1]


def _read_manifest(stream: _Unzipped) -> tuple[Manifest, bytes]:
    """The manifest, and the bytes that say so."""
    member = stream.member()
    folder, _, name = ("", "", "") if member is None else member.name.partition("/")
    if member is None or name != paths.MANIFEST or not paths.is_name(folder) or not _is_ordinary(member):
        stream.refuse("is no package: it does not begin with NAME/manifest.json")
    if member.size > LARGEST_MANIFEST:
        stream.refuse(f"its manifest has {member.size} bytes, and may have {LARGEST_MANIFEST}")
    text = b"".join(stream.content(member.size))
    manifest = parse_manifest(text, stream.phase, f"{stream.path}, {paths.MANIFEST}")
    if folder != manifest.name:
        stream.refuse(f"is of '{folder}', and its manifest of '{manifest.name}'")
    return manifest, text


def _check_size(manifest: Manifest, path: Path, phase: str) -> None:
    """Refuses what would unpack to far more than any model's files do."""
    if manifest.size > _SMALL and manifest.size > _LARGEST_RATIO * path.stat().st_size:
        problem = f"declares {manifest.size} bytes, more than {_LARGEST_RATIO} times those of the archive"
        raise ArtifactError(phase, problem, where=str(path))


def _is_ordinary(member: tarfile.TarInfo) -> bool:
    """Whether a member is a file, and not one with holes or another of tar's own kinds."""
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)


def _why(member: tarfile.TarInfo, seen: Sequence[str]) -> str:
    """Why a member has no place in a package."""
    if member.issym() or member.islnk():
        return "is a link"
    if not _is_ordinary(member):
        return "is no ordinary file"
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return "leads out of the package"
    return "is there twice" if member.name in seen else "is not in the manifest"


def _copy(stream: _Unzipped, size: int, target: Path | None, phase: str) -> str:
    """Reads a file, writes it if it has a target, and gives its SHA-256."""
    digest = hashlib.sha256()
    if target is None:
        for piece in stream.content(size):
            digest.update(piece)
        return digest.hexdigest()
    with writing(target, phase):
        target.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(target.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with target.open("xb") as output:
            for piece in stream.content(size):
                digest.update(piece)
                output.write(piece)
    return digest.hexdigest()


class _Unzipped:
    """The tar file in an archive, read block by block; what is not sound in it is an ArtifactError."""

    def __init__(self, path: Path, phase: str) -> None:
        self.path = path
        self.phase = phase
        self._unzip = zlib.decompressobj(_INTO_GZIP)
        self._place = 0  # in the tar file

    def __enter__(self) -> _Unzipped:
        try:
            self._file = self.path.open("rb")
        except OSError as error:
            self.refuse(f"cannot be read: {error.strerror}")
        header = self._file.read(len(_GZIP))
        if header != _GZIP:
            self._file.close()
            self.refuse("is no gzip file, or one with a name, a comment, a time or extra fields")
        self._unzip.decompress(header)
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def refuse(self, problem: str) -> NoReturn:
        raise ArtifactError(self.phase, problem, where=str(self.path), remedy=AGAIN)

    def member(self) -> tarfile.TarInfo | None:
        """The next file's header, None where they end."""
        block = self._read(_BLOCK)
        if not any(block):
            return None
        try:
            member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.TarError, ValueError) as error:
            self.refuse(f"is damaged: {error}")
        if _is_ordinary(member) and block != _header(member):
            self.refuse(f"'{printable(member.name)}' has another header than pack gives a file")
        return member

    def content(self, size: int) -> Iterator[bytes]:
        """A file's bytes in pieces, and what fills up its last block, which must be zeros."""
        for start in range(0, size, _PIECE):
            yield self._read(min(_PIECE, size - start))
        if any(self._read(-size % _BLOCK)):
            self.refuse("is damaged: there is something between its files")

    def end(self) -> None:
        """Refuses anything but the zeros that tar ends with, of which the first block has been read."""
        zeros = self._read(_BLOCK)
        zeros += self._read(-self._place % tarfile.RECORDSIZE)
        if any(zeros) or self._read_up_to(1) or self._unzip.unused_data or self._file.read(1):
            self.refuse("goes on behind its last file")

    def _read(self, size: int) -> bytes:
        data = self._read_up_to(size)
        if len(data) < size:
            self.refuse("is truncated")
        return data

    def _read_up_to(self, size: int) -> bytes:
        """That many bytes of the tar file, less only where the gzip file ends as it should."""
        pieces = []
        while size and not self._unzip.eof:
            packed = self._unzip.unconsumed_tail or self._file.read(_PIECE)
            try:
                piece = self._unzip.decompress(packed, size)
            except zlib.error as error:
                self.refuse(f"is no gzip file, or a damaged one: {error}")
            if not packed and not piece:
                self.refuse("is truncated")
            pieces.append(piece)
            size -= len(piece)
            self._place += len(piece)
        return b"".join(pieces)


def _header(member: tarfile.TarInfo) -> bytes | None:
    """The header that a file of that name and size has in an archive, None where it can have none."""
    try:
        return _member(member.name, member.size).tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError:
        return None
