"""Results of commands: reads the JSON that they print, gives the dataclasses that they return; strictly checked."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from zaponnx.errors import ArtifactError
from zaponnx.json_fields import parse_json

T = TypeVar("T")

_LARGEST = 2**28
"""Bytes of a file that is read."""


def read_result(kind: type[T], path: Path, command: str, phase: str) -> T:
    """Reads what a command printed with --json.

    Args:
        kind: The dataclass of the command's result: of strings, numbers, paths, enumerations, tuples, mappings with
            keys that are strings, and other such dataclasses; any of them optional.
        path: The file.
        command: The command that prints such a file, for the remedy.
        phase: The step on whose behalf it is read, for error messages.

    Raises:
        ArtifactError: The file cannot be read, is no JSON, or lacks a member, has another one, or one of another type.
    """
    remedy = f"give what zaponnx {command} --json printed"
    try:
        if path.stat().st_size > _LARGEST:
            raise ArtifactError(phase, "is too large for a result", where=str(path), remedy=remedy)
        text = path.read_bytes()
    except OSError as error:
        raise ArtifactError(phase, f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        members = parse_json(text, phase, str(path)).rest()
        return _Decoder(phase, str(path), remedy).value(kind, dict(members), "")  # type: ignore[no-any-return]
    except ArtifactError as error:
        raise ArtifactError(phase, error.problem, where=str(path), remedy=remedy) from error


class _Decoder:
    def __init__(self, phase: str, where: str, remedy: str) -> None:
        self._phase, self._where, self._remedy = phase, where, remedy

    def value(self, kind: Any, data: Any, name: str) -> Any:
        """What JSON's `data` is as a value of a type."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            [inner] = (argument for argument in arguments if argument is not types.NoneType)
            return None if data is None else self.value(inner, data, name)
        if is_dataclass(kind):
            return self._dataclass(kind, data, name)
        if origin is tuple:
            return self._tuple(arguments, data, name)
        if origin is Mapping:
            if not isinstance(data, dict):
                self._refuse(name, "is no object")
            return {
                self.value(arguments[0], key, name): self.value(arguments[1], item, f"{name}.{key}")
                for key, item in data.items()
            }
        return self._scalar(kind, data, name)

    def _dataclass(self, kind: Any, data: Any, name: str) -> Any:
        if not isinstance(data, dict):
            self._refuse(name, "is no object")
        hints, known = get_type_hints(kind), [field.name for field in fields(kind)]
        prefix = f"{name}." if name else ""
        for key in (*known, *data):
            if key not in data or key not in known:
                self._refuse(f"{prefix}{key}", "is unknown" if key in data else "is missing")
        return kind(**{key: self.value(hints[key], data[key], f"{prefix}{key}") for key in known})

    def _tuple(self, arguments: tuple[Any, ...], data: Any, name: str) -> tuple[Any, ...]:
        if not isinstance(data, list):
            self._refuse(name, "is no array")
        item = arguments[0]
        if item is float:  # thresholds, see zaponnx.json_fields.json_thresholds
            data = [float(value) if value in ("-inf", "inf") else self.value(item, value, name) for value in data]
            return tuple(data)
        return tuple(self.value(item, value, f"{name}[{index}]") for index, value in enumerate(data))

    def _scalar(self, kind: Any, data: Any, name: str) -> Any:
        if kind is Path:
            return Path(self._scalar(str, data, name))
        if issubclass(kind, StrEnum):
            text, known = self._scalar(str, data, name), [str(member) for member in kind]
            if text not in known:
                self._refuse(name, f"is '{text}', and must be one of {', '.join(known)}")
            return kind(text)
        if kind is float:
            if isinstance(data, bool) or not isinstance(data, int | float) or not math.isfinite(data):
                self._refuse(name, "is no finite number")
            return float(data)
        if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
            self._refuse(name, f"is no {'string' if kind is str else 'integer' if kind is int else kind.__name__}")
        return data

    def _refuse(self, name: str, problem: str) -> NoReturn:
        raise ArtifactError(self._phase, f"'{name}' {problem}" if name else f"the file {problem}")
