"""zoo list, add and get: read and write an index of packages that any static file server can offer."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.errors import InvalidArgument, calling
from zaponnx.files import flush, sha256, writing
from zaponnx.packaging.archive import write_archive
from zaponnx.packaging.checking import TOLERANCE, check_models
from zaponnx.packaging.contents import opened
from zaponnx.packaging.fetching import fetch
from zaponnx.packaging.index import INDEX, LARGEST_INDEX, Entry, Index, archive_name, parse_index, write_index
from zaponnx.packaging.location import Location
from zaponnx.packaging.manifest import Manifest
from zaponnx.packaging.native import check_allowed
from zaponnx.packaging.outputs import check_package_output, is_archive
from zaponnx.packaging.unpacking import check_contents, unpack_into
from zaponnx.progress import Progress, silent


@dataclass(frozen=True)
class ZooListing:
    """Packages of a zoo.

    Attributes:
        zoo: The zoo, as it was given.
        entries: The packages, in the order of their names.
    """

    zoo: str
    entries: tuple[Entry, ...]

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx zoo list --json` and `zoo add --json` print it."""
        return {"zoo": self.zoo, "packages": [entry.to_json() for entry in self.entries]}


@dataclass(frozen=True)
class Fetched:
    """What was fetched.

    Attributes:
        output: The directory or archive that was written.
        entry: What it is.
    """

    output: Path
    entry: Entry

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx zoo get --json` prints it."""
        return {"output": str(self.output), **self.entry.to_json()}


def zoo_list(zoo: Path | str, *, tag: Sequence[str] = ()) -> ZooListing:
    """Lists the packages of a zoo.

    Args:
        zoo: A directory, or a file:, http: or https: URL, of the zoo or of the index in it.
        tag: Only packages with all of these tags.

    Raises:
        InvalidArgument: Another kind of URL.
        DataError: The index cannot be read.
        ArtifactError: It is none, or a damaged or hostile one.
    """
    index = _read_index(Location(zoo, "zoo list"), "zoo list")
    chosen = [index[name] for name in sorted(index) if set(tag) <= set(index[name].manifest.tags)]
    return ZooListing(str(zoo), tuple(chosen))


def zoo_add(
    zoo: Path | str,
    packages: Sequence[Path | str],
    *,
    replace: bool = False,
    allow_native: bool = False,
    progress: Progress = silent,
) -> ZooListing:
    """Checks packages as `verify` does, and adds them to a zoo in a directory.

    Args:
        zoo: The directory, which gets an index if it has none.
        packages: Directories or archives.
        replace: Whether a package may take the place of another one of its name.
        allow_native: Whether packages may have native libraries, which are loaded then.
        progress: Called before each model.

    Returns:
        The packages that were added.

    Raises:
        InvalidArgument: No packages, no such directory, or a name that the zoo has already, for something else.
        ArtifactError, ModelError, RuntimeUnavailable: As in `verify`; or the index is damaged.
        OutputError: The system refuses it.
    """
    location = Location(zoo, "zoo add")
    if not packages:
        raise InvalidArgument("zoo add", "no package is given")
    if location.directory is None or not location.directory.is_dir():
        raise InvalidArgument("zoo add", "is no directory", where=str(zoo), remedy="add to it where it is served from")
    added = []
    for package in map(Path, packages):
        with (
            opened(package, "zoo add", allow_native=allow_native) as (directory, manifest),
            calling(directory, str(package)),
            _locked(location.directory),
        ):
            index = dict(_read_index(location, "zoo add") if (location.directory / INDEX).exists() else {})
            present = index.get(manifest.name)
            if present and present.manifest != manifest and not replace:
                problem = f"the zoo has another package of the name '{manifest.name}'"
                raise InvalidArgument("zoo add", problem, where=str(package), remedy="--replace takes its place")
            check_models(directory, manifest, package, None, TOLERANCE, progress, "zoo add")
            entry = _store(directory, manifest, location.directory)
            index[manifest.name] = entry
            write_index(index, location.directory, "zoo add")
            if present and present.file != entry.file:
                (location.directory / present.file).unlink(missing_ok=True)
        added.append(entry)
    return ZooListing(str(zoo), tuple(added))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keeps other processes from changing the zoo, which wait until this one has written its index."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def zoo_get(
    zoo: Path | str,
    name: str,
    output: Path | str,
    *,
    allow_native: bool = False,
    progress: Progress = silent,
) -> Fetched:
    """Fetches a package from a zoo, and checks its hash and its content as `unpack` does.

    If the connection breaks off, what was fetched stays beside the output, and the next attempt goes on from there.

    Args:
        zoo: As in `zoo_list`.
        name: The package.
        output: The directory or the .tar.gz to write; what is there is replaced if it is a package.
        allow_native: Whether it may have native libraries.
        progress: Told about the bytes.

    Raises:
        InvalidArgument: No such package, another kind of URL, or an output that cannot be written.
        DataError: The zoo cannot be read, or the connection broke off.
        ArtifactError: The index or the package is damaged or hostile, or the two do not go together.
        ModelError: A model is not valid.
        OutputError: The system refuses it.
    """
    output = Path(output)
    check_package_output(output, "zoo get")
    location = Location(zoo, "zoo get")
    index = _read_index(location, "zoo get")
    if name not in index:
        known = ", ".join(sorted(index)) or "none"
        raise InvalidArgument("zoo get", f"there is no package '{name}'", where=str(zoo), remedy=f"there is {known}")
    entry = index[name]
    check_allowed(entry.manifest, location.place(entry.file), "zoo get", allow_native=allow_native)
    part = fetch(location, entry, output, "zoo get", progress)
    try:
        with calling(part, location.place(entry.file)), writing(output, "zoo get"):
            if is_archive(output):
                with opened(part, "zoo get", allow_native=allow_native) as (directory, manifest):
                    check_contents(directory, manifest, "zoo get", expected=entry.manifest)
                flush(part)
                part.replace(output)
            else:
                unpack_into(part, output, "zoo get", allow_native=allow_native, expected=entry.manifest)
    finally:
        part.unlink(missing_ok=True)
    return Fetched(output, entry)


def _read_index(location: Location, phase: str) -> Index:
    return parse_index(location.read(INDEX, LARGEST_INDEX), phase, location.place(INDEX))


def _store(directory: Path, manifest: Manifest, zoo: Path) -> Entry:
    """Writes a package's archive into a zoo."""
    with (
        writing(zoo, "zoo add"),
        tempfile.TemporaryDirectory(prefix=f".{manifest.name}-", dir=zoo) as place,
    ):
        archive = Path(place) / "archive"
        write_archive(directory, manifest, archive, "zoo add")
        digest, size = sha256(archive), archive.stat().st_size
        flush(archive)
        entry = Entry(archive_name(manifest.name, digest), size, digest, manifest)
        archive.replace(zoo / entry.file)
    return entry
