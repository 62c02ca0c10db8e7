"""Native libraries in packages: whether they are allowed, and which platform they are for."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.packaging.manifest import Manifest
from zaponnx.packaging.paths import PLATFORMS, libraries
from zaponnx.runtime import library_path

_ELF = b"\x7fELF"
_MACHINE = slice(18, 20)
"""Where ELF has the number of the machine, the lower byte first on both platforms."""


def this_platform() -> str:
    """This machine's platform, which need not be one of those that libraries are packed for."""
    return f"{sys.platform}-{platform.machine()}"


def check_allowed(manifest: Manifest, where: str, phase: str, *, allow_native: bool) -> None:
    """Refuses a package with native libraries, unless they are allowed: to load one is to run what a stranger wrote.

    Raises:
        ArtifactError: There is one.
    """
    found = libraries(file.path for file in manifest.files)
    if found and not allow_native:
        problem = f"has native libraries, for {', '.join(found)}, and these can do anything on this machine"
        raise ArtifactError(phase, problem, where=where, remedy="--allow-native, if you trust who made it")


def is_for(library: Path, name: str) -> bool:
    """Whether a file is a shared library for a platform."""
    with library.open("rb") as stream:
        header = stream.read(_MACHINE.stop)
    return header.startswith(_ELF) and int.from_bytes(header[_MACHINE], "little") == PLATFORMS[name]


def libraries_to_pack(native: Sequence[str], phase: str) -> dict[str, Path]:
    """The libraries that are asked for, by platform, each "PLATFORM=FILE", or "PLATFORM" for this machine's own.

    Raises:
        InvalidArgument: An unknown platform, one that is given twice, or whose library is not known or is for another.
        RuntimeUnavailable: This installation has no library.
    """
    found: dict[str, Path] = {}
    for each in native:
        name, given, file = each.partition("=")
        if name not in PLATFORMS:
            raise InvalidArgument(phase, f"unknown platform '{name}'", remedy=f"use one of {', '.join(PLATFORMS)}")
        if name in found:
            raise InvalidArgument(phase, f"the platform '{name}' is given twice")
        if not given and name != this_platform():
            problem, remedy = (
                f"this machine is {this_platform()}, and has no library for {name}",
                f"--native {name}=FILE",
            )
            raise InvalidArgument(phase, problem, remedy=remedy)
        library = Path(file) if given else library_path()
        if not library.is_file() or not is_for(library, name):
            raise InvalidArgument(phase, f"is no shared library for {name}", where=str(library))
        found[name] = library
    return found
