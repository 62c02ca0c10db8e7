"""The artifacts as files: writes and reads .zapcal (safetensors) and .zapfit.json, refusing what is not sound.

What is written passes the same checks as what is read: see `zaponnx.artifact_schema`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from zaponnx.artifact_schema import calibration_of, calibration_parts, fit_document, fit_of
from zaponnx.artifacts import Calibration, Fit
from zaponnx.errors import ArtifactError
from zaponnx.files import atomic_path
from zaponnx.json_fields import parse_json

_CALIBRATION_KEY = "zaponnx.calibration"


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Writes a calibration, whole or not at all.

    Raises:
        OutputError: The system refuses it.
        ArtifactError: `load_calibration` would refuse it.
    """
    header, arrays = calibration_parts(calibration)
    text = _json_text(header, "calibrate", path)
    calibration_of(parse_json(text, "calibrate", str(path)), dict(arrays))
    content = save(arrays, metadata={_CALIBRATION_KEY: text})
    with atomic_path(path, "calibrate") as temporary:
        temporary.write_bytes(content)


@contextmanager
def written_by(command: str) -> Iterator[None]:
    """Adds the remedy to errors about a file that the command writes."""
    try:
        yield
    except ArtifactError as error:
        remedy = f"give the file that zaponnx {command} wrote, or run it again"
        raise ArtifactError(error.phase, error.problem, where=error.where, remedy=remedy) from error


@written_by("calibrate")
def load_calibration(path: Path, phase: str = "calibration") -> Calibration:
    """Reads a calibration.

    Args:
        path: The file.
        phase: The step on whose behalf it is read, for error messages.

    Raises:
        ArtifactError: The file is missing, damaged, of another kind or version, or contradicts itself.
    """
    _check_file(path, phase)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if list(metadata) != [_CALIBRATION_KEY]:
                raise ArtifactError(phase, "is no zaponnx calibration", where=str(path))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(phase, f"is no calibration, or a damaged one: {error}", where=str(path)) from error
    return calibration_of(parse_json(metadata[_CALIBRATION_KEY], phase, str(path)), arrays)


def save_fit(fit: Fit, path: Path) -> None:
    """Writes a fit, whole or not at all.

    Raises:
        OutputError: The system refuses it.
        ArtifactError: `load_fit` would refuse it.
    """
    text = _json_text(fit_document(fit), "fit", path)
    fit_of(parse_json(text, "fit", str(path)))
    with atomic_path(path, "fit") as temporary:
        temporary.write_text(text, encoding="utf-8")


@written_by("fit")
def load_fit(path: Path, phase: str = "fit") -> Fit:
    """Reads a fit; arguments and errors as in `load_calibration`."""
    _check_file(path, phase)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(phase, f"cannot be read: {error.strerror}", where=str(path)) from error
    return fit_of(parse_json(content, phase, str(path)))


def _json_text(document: Mapping[str, Any], phase: str, path: Path) -> str:
    try:
        return json.dumps(document, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError) as error:
        raise ArtifactError(phase, f"cannot be written: {error}", where=str(path)) from error


def _check_file(path: Path, phase: str) -> None:
    if not path.is_file():
        raise ArtifactError(phase, "no such file", where=str(path))
    if path.stat().st_size == 0:
        raise ArtifactError(phase, "the file is empty", where=str(path))
