"""JSON read strictly: every key known, every value of its type and within its range, or an ArtifactError."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Self

import numpy as np

from zaponnx.errors import ArtifactError

_LONGEST_LINE = 4096
_LONGEST_NAME = 256
_FLOAT32_MAX = float(np.finfo(np.float32).max)


def parse_json(text: str | bytes, phase: str, where: str) -> Fields:
    """Reads a JSON object.

    Raises:
        ArtifactError: The text is no JSON object in UTF-8, repeats a key, or holds NaN or an infinity as a number.
    """
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text  # json would take UTF-16 and UTF-32, too
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(phase, f"not valid JSON: {error}", where=where) from error
    return Fields(data, phase, where)


def json_thresholds(values: Iterable[float]) -> list[float | str]:
    """Thresholds as JSON has them: infinite ones as the strings "-inf" and "inf"."""
    return [str(value) if math.isinf(value) else value for value in values]


class Fields:
    """A JSON object whose members are taken one by one; `done` refuses those that nobody took.

    Args:
        data: What the JSON text held; anything but an object is refused.
        phase, where: For error messages.
        path: The object's place in the file, as in "points[3].".
    """

    def __init__(self, data: Any, phase: str, where: str, path: str = "") -> None:
        self._phase = phase
        self._where = where
        self._path = path
        if not isinstance(data, dict):
            self.refuse("", "is no JSON object")
        self._data = dict(data)

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raises the ArtifactError that says what is wrong with a member."""
        name = f"{self._path}{key}".rstrip(".")[:_LONGEST_NAME]
        if not name.isprintable():  # it would speak to the terminal
            name = ascii(name)[1:-1]
        raise ArtifactError(self._phase, f"'{name}' {problem}" if name else f"the file {problem}", where=self._where)

    def take(self, key: str) -> Any:
        """The member as it is."""
        if key not in self._data:
            self.refuse(key, "is missing")
        return self._data.pop(key)

    def text(self, key: str) -> str:
        """A string member."""
        value = self.take(key)
        if not isinstance(value, str):
            self.refuse(key, "is no string")
        return value

    def line(self, key: str) -> str:
        """A string member that people are shown: of printable characters, and of a length that can be read."""
        value = self.text(key)
        if not value.isprintable() or len(value) > _LONGEST_LINE:
            self.refuse(key, f"is not one line of at most {_LONGEST_LINE} printable characters")
        return value

    def texts(self, key: str) -> list[str]:
        """A member that is an array of strings."""
        values = self._array(key)
        if not all(isinstance(value, str) for value in values):
            self.refuse(key, "has not strings only")
        return values

    def absent(self, key: str) -> bool:
        """Whether a member is null, which is then taken."""
        absent = self._data.get(key, ...) is None
        if absent:
            self.take(key)
        return absent

    def integer(self, key: str, low: int = 1, high: float = math.inf) -> int:
        """An integer member, from `low` to `high`."""
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.refuse(key, f"is no integer from {low}" + (f" to {high}" if high < math.inf else ""))
        return value

    def truth(self, key: str) -> bool:
        """A member that is true or false."""
        value = self.take(key)
        if not isinstance(value, bool):
            self.refuse(key, "is neither true nor false")
        return value

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number member, from `low` to `high`."""
        value = self.take(key)
        number = math.nan
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300:
            number = float(value)
        if not low <= number <= high or math.isinf(number):
            self.refuse(key, f"is no finite number from {low} to {high}")
        return number

    def thresholds(self, key: str) -> tuple[float, ...]:
        """A member that is an array, not empty, of finite float32 numbers and of the strings "-inf" and "inf"."""
        values = self._array(key)
        if not values or not all(map(_is_threshold, values)):
            self.refuse(key, "has not one or more numbers, or the strings '-inf' and 'inf'")
        return tuple(map(float, values))

    def object(self, key: str) -> Self:
        """An object member."""
        return self._child(self.take(key), f"{key}.")

    def objects(self, key: str) -> list[Self]:
        """A member that is an array of objects."""
        return [self._child(item, f"{key}[{index}].") for index, item in enumerate(self._array(key))]

    def members(self) -> list[tuple[str, Self]]:
        """All members, each an object, by their keys."""
        return [(key, self.object(key)) for key in self.names()]

    def numbers(self, key: str, length: int) -> list[float]:
        """A member that is an array of finite numbers."""
        items = self._items(key, length)
        return [items.number(index) for index in items.names()]

    def lines(self, key: str) -> list[str]:
        """A member that is an array of strings that people are shown, see `line`."""
        items = self._items(key, None)
        return [items.line(index) for index in items.names()]

    def integers(self, key: str, length: int | None = None) -> list[int]:
        """A member that is an array of integers from 0, of any length if none is given."""
        items = self._items(key, length)
        return [items.integer(index, low=0) for index in items.names()]

    def bytes(self, key: str) -> bytes:
        """A member that is bytes in base64."""
        try:
            return base64.b64decode(self.text(key), validate=True)
        except ValueError:
            self.refuse(key, "is not in base64")

    def names(self) -> list[str]:
        """The names of the members not taken yet."""
        return list(self._data)

    def _items(self, key: str, length: int | None) -> Self:
        """The entries of an array, by their positions; of any number if `length` is None."""
        values = self._array(key)
        if length is not None and len(values) != length:
            self.refuse(key, f"has not {length} entries")
        entries = {str(index): value for index, value in enumerate(values)}
        return self._child(entries, f"{key}.")

    def _child(self, data: Any, place: str) -> Self:
        """The reader of an object in this one."""
        return type(self)(data, self._phase, self._where, f"{self._path}{place}")

    def _array(self, key: str) -> list[Any]:
        value = self.take(key)
        if not isinstance(value, list):
            self.refuse(key, "is no array")
        return value

    def rest(self) -> Mapping[str, Any]:
        """All members not taken yet."""
        rest, self._data = self._data, {}
        return rest

    def done(self) -> None:
        """Refuses members that nobody took."""
        if self._data:
            self.refuse(next(iter(self._data)), "is unknown")


def _is_threshold(value: Any) -> bool:
    if isinstance(value, str):
        return value in ("-inf", "inf")
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _FLOAT32_MAX


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("a key is repeated")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
