"""Where packages are written: a new directory, or one that has a package and nothing else, or a .tar.gz."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.files import check_output
from zaponnx.packaging.archive import SUFFIX
from zaponnx.packaging.contents import read_directory_manifest


def is_archive(path: Path) -> bool:
    """Whether a package is written to this path as an archive."""
    return path.name.endswith(SUFFIX)


def check_package_output(path: Path, phase: str, inputs: Iterable[Path] = ()) -> None:
    """Refuses, before any work is done, a path that no package can be written to, or where more would be lost.

    Raises:
        InvalidArgument: As in `zaponnx.files.check_output`, or there is a directory with something else in it than a
            package.
    """
    if is_archive(path):
        check_output(path, phase, inputs)
        return
    if path.name in ("", ".."):
        raise InvalidArgument(phase, "is a directory without a name", where=str(path), remedy="give one with a name")
    parent = path.resolve().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InvalidArgument(phase, f"there is no directory '{parent}' that can be written to", remedy="make it first")
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        remedy = f"give a directory, or a file that ends in {SUFFIX}"
        raise InvalidArgument(phase, "is there already and no directory", where=str(path), remedy=remedy)
    if path.is_dir() and any(path.iterdir()):
        try:
            read_directory_manifest(path, phase)
        except ArtifactError as error:
            problem = "is there already, and is not just a package"
            raise InvalidArgument(phase, problem, where=str(path), remedy="give another output") from error
        if any(file.resolve().is_relative_to(path.resolve()) for file in inputs):
            raise InvalidArgument(phase, "the output has an input in it", where=str(path), remedy="give another output")
