"""unpack: reads a package, writes its files to a directory, once all of them have been checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.errors import ArtifactError, InvalidArgument, calling
from zaponnx.files import atomic_directory
from zaponnx.packaging.contents import check_libraries, extract
from zaponnx.packaging.describing import check_description
from zaponnx.packaging.manifest import Manifest
from zaponnx.packaging.outputs import check_package_output, is_archive


@dataclass(frozen=True)
class Unpacked:
    """What was written.

    Attributes:
        output: The directory.
        manifest: What is in it.
    """

    output: Path
    manifest: Manifest

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx unpack --json` prints it."""
        return {"output": str(self.output), "manifest": self.manifest.to_json()}


def unpack(package: Path | str, output: Path | str, *, allow_native: bool = False) -> Unpacked:
    """Writes a package's files to a directory, all of them or none.

    Every file is checked first, and so are the models, but they are not run: for that there is `verify`.

    Args:
        package: A directory or an archive.
        output: The directory to write: a new or an empty one, or one with a package alone, which is replaced.
        allow_native: Whether the package may have native libraries.

    Raises:
        InvalidArgument: The output cannot be written, or has something else in it than a package.
        ArtifactError: It is no package, or a damaged or hostile one.
        ModelError: A model is not valid.
        OutputError: The system refuses it.
    """
    package, output = Path(package), Path(output)
    if is_archive(output):
        raise InvalidArgument("unpack", "the output is a directory", where=str(output))
    check_package_output(output, "unpack", [package])
    return Unpacked(output, unpack_into(package, output, "unpack", allow_native=allow_native))


def unpack_into(
    package: Path, output: Path, phase: str, *, allow_native: bool, expected: Manifest | None = None
) -> Manifest:
    """As `unpack`, with an output that was checked; the manifest must be the expected one, if there is one."""
    with atomic_directory(output, phase) as staged, calling(staged, str(package)):
        manifest = extract(package, staged, phase, allow_native=allow_native)
        check_contents(staged, manifest, phase, expected=expected)
    return manifest


def check_contents(directory: Path, manifest: Manifest, phase: str, *, expected: Manifest | None = None) -> None:
    """Checks what is in a package's files, as far as nothing is run for it.

    Args:
        directory: Where the files are, each with the hash that the manifest says.
        manifest: What they are.
        phase: The step on whose behalf they are checked, for error messages.
        expected: The manifest that it must be, if that is known.

    Raises:
        ArtifactError: A model or a library is not what the manifest says, or that is not the one that was expected.
        ModelError: A model is not valid.
    """
    if expected is not None and manifest != expected:
        raise ArtifactError(phase, "its manifest is not the one in the index", where=str(directory))
    check_libraries(directory, manifest, phase)
    for model in manifest.models:
        check_description(directory / model.file, model.description, phase)
