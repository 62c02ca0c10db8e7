"""The exceptions of zaponnx: every error that a user can mend is a ZapError.

Each says in which phase it happened, what is wrong, where (file, node, tensor) and how to mend it. The
command line turns the class into an exit code; nothing else in the library knows about exit codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any


class ZapError(Exception):
    """Base class of all errors that zaponnx raises on purpose.

    Args:
        phase: The step that failed, named as its subcommand: "export", "calibrate", "fit", "convert", ...
        problem: What is wrong, a clause without a final stop.
        where: The file, node or tensor concerned, if there is one.
        remedy: What the user can do about it, a clause without a final stop.
    """

    def __init__(self, phase: str, problem: str, *, where: str = "", remedy: str = "") -> None:
        self.phase = phase
        self.problem = problem
        self.where = where
        self.remedy = remedy
        place = f"{where}: " if where else ""
        hint = f"; {remedy}" if remedy else ""
        super().__init__(f"{phase}: {place}{problem}{hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with what it was made of, so that it survives the way out of a worker process."""
        return partial(type(self), where=self.where, remedy=self.remedy), (self.phase, self.problem)


@contextmanager
def on_behalf_of(phase: str, where: str = "", remedy: str = "") -> Iterator[None]:
    """Makes the errors of a step that a command shares with others this command's own.

    Args:
        phase: The command's.
        where: Their place, if they have none.
        remedy: Instead of theirs.
    """
    try:
        yield
    except ZapError as error:
        raise type(error)(phase, error.problem, where=error.where or where, remedy=remedy or error.remedy) from error


@contextmanager
def calling(path: Path, name: str) -> Iterator[None]:
    """Makes the errors in the block call a file, which is gone by the time that they are read, by another name."""
    try:
        yield
    except ZapError as error:
        problem, where = (text.replace(str(path), name) for text in (error.problem, error.where))
        raise type(error)(error.phase, problem, where=where, remedy=error.remedy) from error


class InvalidArgument(ZapError):
    """An argument that no file or model could make right: an unknown name, a number out of range."""


class ModelError(ZapError):
    """A model that cannot be read, checked, converted or run."""


class ArtifactError(ZapError):
    """A calibration, fit, measurement or package that is damaged, hostile, of unknown version or of another model."""


class DataError(ZapError):
    """A data set that cannot be read or does not suit the model."""


class OutputError(ZapError):
    """A file that the system does not let us write: the disk is full, the directory has vanished."""


class RuntimeUnavailable(ZapError):
    """Something that must be installed or present is not: ONNX Runtime, a provider, the native library."""
