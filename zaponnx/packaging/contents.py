"""A package on disk, as a directory or an archive: gives its files, once each of them is what the manifest says."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from zaponnx.errors import ArtifactError
from zaponnx.files import sha256
from zaponnx.packaging import paths
from zaponnx.packaging.archive import AGAIN, printable, read_archive
from zaponnx.packaging.manifest import Manifest
from zaponnx.packaging.manifest_schema import LARGEST_MANIFEST, parse_manifest
from zaponnx.packaging.native import check_allowed, is_for


@contextmanager
def opened(package: Path, phase: str, *, allow_native: bool) -> Iterator[tuple[Path, Manifest]]:
    """Yields a directory with a package's files, checked, and its manifest; an archive is unpacked for the block.

    Raises:
        ArtifactError: There is no package, or a damaged or hostile one, or one with native libraries, not allowed.
    """
    if package.is_dir():
        yield package, check_directory(package, phase, allow_native=allow_native)
        return
    with tempfile.TemporaryDirectory(prefix="zaponnx-") as directory:
        yield Path(directory), extract(package, Path(directory), phase, allow_native=allow_native)


def extract(package: Path, target: Path, phase: str, *, allow_native: bool) -> Manifest:
    """Copies a package's files to an empty directory, whose content is of use only if no error is raised.

    Errors as in `opened`; and OutputError: the system refuses it.
    """
    if package.is_dir():
        manifest = check_directory(package, phase, allow_native=allow_native)
        for name in (paths.MANIFEST, *(file.path for file in manifest.files)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package / name, target / name, follow_symlinks=False)
        return check_directory(target, phase, allow_native=allow_native)  # it might have been changed meanwhile
    if not package.is_file():
        raise ArtifactError(phase, "no such package", where=str(package))
    return read_archive(package, target, phase, allow_native=allow_native)


def check_directory(directory: Path, phase: str, *, allow_native: bool) -> Manifest:
    """Checks that a directory is a package: all files are there, are what the manifest says, and nothing else is.

    Errors as in `opened`.
    """
    manifest = read_directory_manifest(directory, phase)
    check_allowed(manifest, str(directory), phase, allow_native=allow_native)
    for file in manifest.files:
        path = directory / file.path
        size = path.stat().st_size
        if size != file.size:
            _refuse(directory, f"'{file.path}' has {size} bytes, not {file.size} as the manifest says", phase)
        if sha256(path) != file.sha256:
            _refuse(directory, f"'{file.path}' does not have the SHA-256 that the manifest says", phase)
    return manifest


def check_libraries(directory: Path, manifest: Manifest, phase: str) -> None:
    """Refuses what claims to be a native library for a platform and is not.

    Raises:
        ArtifactError: There is one.
    """
    for platform, file in paths.libraries(file.path for file in manifest.files).items():
        if not is_for(directory / file, platform):
            _refuse(directory, f"'{file}' is no shared library for {platform}", phase)


def read_directory_manifest(directory: Path, phase: str) -> Manifest:
    """The manifest of a directory that has the files that it lists, and no other; what is in them is not looked at.

    Raises:
        ArtifactError: It is no package, or a file is missing, or there is a link, or something else.
    """
    path = directory / paths.MANIFEST
    if path.is_symlink() or not path.is_file():
        _refuse(directory, f"is no package: there is no file '{paths.MANIFEST}'", phase)
    if path.stat().st_size > LARGEST_MANIFEST:
        _refuse(directory, f"its manifest has {path.stat().st_size} bytes, and may have {LARGEST_MANIFEST}", phase)
    manifest = parse_manifest(path.read_bytes(), phase, str(path))
    listed = {paths.MANIFEST, *(file.path for file in manifest.files)}
    folders = {str(parent) for name in listed for parent in Path(name).parents}
    found = set(_files(directory, folders, listed, phase))
    if missing := min(listed - found, default=""):
        _refuse(directory, f"'{missing}' is missing", phase)
    return manifest


def _files(directory: Path, folders: set[str], listed: set[str], phase: str) -> Iterator[str]:
    """The files in a directory that are listed; anything else is refused, before it is gone into."""
    for folder in sorted(folders):
        if not (directory / folder).is_dir():
            continue
        for entry in (directory / folder).iterdir():
            name = entry.relative_to(directory).as_posix()
            kind = entry.lstat().st_mode
            if stat.S_ISLNK(kind):
                _refuse(directory, f"'{printable(name)}' is a link", phase)
            if name in (folders if stat.S_ISDIR(kind) else listed) and (stat.S_ISDIR(kind) or stat.S_ISREG(kind)):
                yield name
            else:
                _refuse(directory, f"'{printable(name)}' is not in the manifest, or no ordinary file", phase)


def _refuse(directory: Path, problem: str, phase: str) -> NoReturn:
    raise ArtifactError(phase, problem, where=str(directory), remedy=AGAIN)
