"""ONNX files: reads and writes ModelProto, embedded or with external data, and refuses what is not a sound model.

Large weights stay on disk: in memory, a model refers to them, see `zaponnx.weights`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from zaponnx import wire
from zaponnx.errors import ModelError, calling
from zaponnx.external_data import data_files, write_external
from zaponnx.files import check_output, flush, sha256, writing
from zaponnx.soundness import unsoundness
from zaponnx.traversal import inner_tensors, tensors
from zaponnx.weights import LARGE, extent, hold, refer

PROTOBUF_LIMIT = 2**31 - 2**24
"""Bytes of tensor data that fit a protobuf file, which ends at 2 GiB; the rest is left for the graph itself."""

_NO_MODEL = "not an ONNX model, or a truncated one"
MEND = "mend the model, or export it again"
"""What helps where the graph is not sound."""

_CHECKER_CONTEXT = re.compile(r"\.? ==> Context: Bad node spec for node\. Name: (.*?) OpType: (\S*).*")
"""Where onnx.checker names the node, on lines of its own."""

_ANOTHER = "give an .onnx file, or export or copy it again"


def load_model(path: Path, phase: str) -> onnx.ModelProto:
    """Reads a model and checks it with onnx.checker; its large initializers stay on disk.

    Args:
        path: The model file.
        phase: The step on whose behalf it is read, for error messages.

    Raises:
        ModelError: The file is missing, empty, truncated, no ONNX model, or an invalid one.
    """
    model = read_model(path, phase)
    try:
        onnx.checker.check_model(str(path))
    except (onnx.checker.ValidationError, OSError, ValueError) as error:
        problem = f"not a valid ONNX model: {_checker_problem(error)}"
        raise ModelError(phase, problem, where=str(path), remedy=MEND) from error
    return model


def read_model(path: Path, phase: str) -> onnx.ModelProto:
    """As `load_model`, but the graph is not checked."""
    model = _read(path, phase)
    data_files(model, path, phase)
    for tensor in tensors(model):
        found = extent(tensor)
        if found is not None:
            refer(tensor, str(path.parent.absolute() / found.path), found.offset, found.length)
    small = [tensor for tensor in model.graph.initializer if len(extent(tensor) or ()) < LARGE]
    for tensor in (*small, *inner_tensors(model)):
        hold(tensor)
    return model


def model_sha256(path: Path, phase: str = "model") -> str:
    """The SHA-256 of a model: its file followed by its external data files in the order of their names.

    Raises:
        ModelError: As in `load_model`, but the graph is not checked.
    """
    return sha256(path, *external_files(path, phase))


def external_files(path: Path, phase: str = "model") -> list[Path]:
    """The files beside a model that hold its external data, in the order of their names.

    Raises:
        ModelError: The model cannot be read, or one of the files is missing, too short, or outside the model's
            directory.
    """
    return data_files(_read(path, phase), path, phase)


def check_model_output(path: Path, phase: str, inputs: Sequence[Path] = ()) -> None:
    """As `zaponnx.files.check_output`, for both files that a model may be written to."""
    check_output(path, phase, inputs)
    check_output(_data_path(path), phase, inputs)  # not before: the path of a directory may have no name


def save_model(model: onnx.ModelProto, path: Path, phase: str = "model", *, external_data: bool = False) -> None:
    """Writes a model, whole or not at all.

    Args:
        model: The model.
        path: The file to write or replace.
        phase: The step on whose behalf it is written, for error messages.
        external_data: Whether to write initializers, but for the smallest, to `path` + ".data"; always done where a
            protobuf file cannot hold them.

    Raises:
        OutputError: The system refuses it.
    """
    with staged_model(model, path, phase, external_data=external_data):
        pass


@contextmanager
def temporary_model(model: onnx.ModelProto, name: str = "the model") -> Iterator[Path]:
    """Yields a file of the model for the time of the block, in whose errors it has a name that outlasts the file.

    In memory, a model cannot be larger than 2 GB.
    """
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.onnx"
        with calling(path, name):
            save_model(model, path)
            yield path


@contextmanager
def staged_model(
    model: onnx.ModelProto, path: Path, phase: str = "model", *, external_data: bool = False
) -> Iterator[Path]:
    """Writes a model to a temporary directory beside `path` and moves it into place if the block succeeds.

    Arguments and errors as in `save_model`.

    Yields:
        The staged model file, for checks that must pass before anything appears at `path`.
    """
    with ExitStack() as stack:
        with writing(path, phase):
            temporary = tempfile.TemporaryDirectory(
                prefix=f".{path.stem}-", dir=path.parent, ignore_cleanup_errors=True
            )
            staged = Path(stack.enter_context(temporary)) / path.name
            data = _data_path(staged)
            if external_data or tensor_bytes(model) > PROTOBUF_LIMIT:
                write_external([(model, staged)], data)
            else:
                with staged.open("wb") as stream:
                    wire.write(model, stream)
        with calling(staged, f"the result for {path}"):
            yield staged
        with writing(path, phase):
            _put_in_place(staged, path)


def _put_in_place(staged: Path, path: Path) -> None:
    """Moves a model and its data, if it has any, so that a crash leaves no model with another model's data.

    Where both models have data, the old one goes before they are replaced. Data that only the old one had go last.
    """
    data, target = _data_path(staged), _data_path(path)
    for file in (data, staged):
        if file.exists():
            flush(file)
    replaces_data = target in _present_data(path)
    if data.exists():
        if replaces_data:
            path.unlink()
        data.replace(target)
        flush(path.parent)
    staged.replace(path)
    flush(path.parent)
    if replaces_data and target not in _present_data(path):
        target.unlink()


def _present_data(path: Path) -> list[Path]:
    """The external data files of what is at `path`; none if that is no sound model."""
    try:
        return external_files(path)
    except ModelError:
        return []


def _data_path(path: Path) -> Path:
    """Where a model's external data are written."""
    return path.with_name(f"{path.name}.data")


def tensor_bytes(model: onnx.ModelProto) -> int:
    """The bytes of a model's tensors, wherever they are."""
    return sum(len(extent(tensor) or ()) or tensor.ByteSize() for tensor in tensors(model))


def first_line(error: Exception) -> str:
    """What a library's exception says first; the rest is its context dump."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(" .:")


def _checker_problem(error: Exception) -> str:
    """What onnx.checker says, in one line, with the node behind it in parentheses."""
    return _CHECKER_CONTEXT.sub(r" (node '\1', \2)", " ".join(str(error).split())).rstrip(".")


def _read(path: Path, phase: str) -> onnx.ModelProto:
    """Parses the model file without its external data."""
    if not path.is_file():
        raise ModelError(phase, "no such file", where=str(path))
    try:
        if path.stat().st_size == 0:
            raise ModelError(phase, "the file is empty", where=str(path))
        model = wire.parse(path)
    except OSError as error:
        raise ModelError(phase, f"cannot be read: {error.strerror}", where=str(path)) from error
    except DecodeError as error:
        raise ModelError(phase, _NO_MODEL, where=str(path), remedy=_ANOTHER) from error
    if not model.ir_version or not model.HasField("graph"):
        raise ModelError(phase, _NO_MODEL, where=str(path), remedy=_ANOTHER)
    if problem := unsoundness(model):
        raise ModelError(phase, f"the file is damaged: {problem}", where=str(path), remedy=_ANOTHER)
    return model
