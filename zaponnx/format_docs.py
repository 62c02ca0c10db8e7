"""The tables of a format in Markdown, as the code has it: reads an example by the format's reader, and docstrings.

Keys, types and ranges are those that the reader takes when it reads the example; what a key means is what the dataclass
says that it is read into.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zaponnx.json_fields import Fields

_GENERAL = {"format": "what kind of file it is", "version": "version of this format"}


class Recorder(Fields):
    """Reads as Fields does, and records what each key is read as."""

    kinds: dict[str, str]
    nullable: set[str]

    def of(self, kinds: dict[str, str], nullable: set[str]) -> Recorder:
        """The same, recording into a dict: by its place, a key's type; and into a set the places that can be null."""
        self.kinds, self.nullable = kinds, nullable
        return self

    def _child(self, data: Any, place: str) -> Recorder:
        return super()._child(data, re.sub(r"\[\d+\]", "[]", place)).of(self.kinds, self.nullable)

    def _record(self, key: str, kind: str) -> None:
        self.kinds.setdefault(f"{self._path}{key}", kind)

    def take(self, key: str) -> Any:
        value = super().take(key)
        if value is not None:
            self._record(key, f"`{json.dumps(value)}`")
        return value

    def text(self, key: str) -> str:
        self._record(key, "string")
        return super().text(key)

    def texts(self, key: str) -> list[str]:
        self._record(key, "array of strings")
        return super().texts(key)

    def line(self, key: str) -> str:
        self._record(key, "line")
        return super().line(key)

    def lines(self, key: str) -> list[str]:
        self._record(key, "array of lines")
        return super().lines(key)

    def truth(self, key: str) -> bool:
        self._record(key, "true or false")
        return super().truth(key)

    def array(self, key: str) -> list[Any]:
        self._record(key, "array")
        return super().array(key)

    def absent(self, key: str) -> bool:
        self.nullable.add(f"{self._path}{key}")
        return super().absent(key)

    def integer(self, key: str, low: int = 1, high: float = math.inf) -> int:
        self._record(key, str(self._data[key]) if key == "version" else f"integer{_range(low, high)}")
        return super().integer(key, low, high)

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        self._record(key, f"number{_range(low, high)}")
        return super().number(key, low, high)

    def thresholds(self, key: str) -> tuple[float, ...]:
        self._record(key, 'array of numbers, `"-inf"` or `"inf"`')
        return super().thresholds(key)

    def object(self, key: str) -> Recorder:
        self._record(key, "object")
        return super().object(key)

    def objects(self, key: str) -> list[Recorder]:
        self._record(key, "array of objects")
        return super().objects(key)

    def numbers(self, key: str, length: int) -> list[float]:
        self._record(key, f"array of {length} numbers")
        return super().numbers(key, length)


def _range(low: float, high: float) -> str:
    limit = f"2^{int(high).bit_length() - 1}" if 2**20 <= high < math.inf else f"{high:g}"
    return ("" if low == -math.inf else f" from {low:g}") + ("" if high == math.inf else f" to {limit}")


def kinds_of(document: Mapping[str, Any], read: Callable[[Fields], object]) -> dict[str, str]:
    """What the keys of a document are read as, by their places, in the document's order."""
    written = json.loads(json.dumps(document))
    kinds: dict[str, str] = {}
    nullable: set[str] = set()
    read(Recorder(written, "documentation", "the example").of(kinds, nullable))
    order = [place for place in dict.fromkeys(_places(written, "")) if place in kinds]
    return {place: kinds[place] + " or null" * (place in nullable) for place in order}


def _places(value: Any, place: str) -> Iterator[str]:
    """The places of all keys in a JSON value."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield f"{place}{key}"
            yield from _places(member, f"{place}{key}.")
    elif isinstance(value, list):
        for item in value:
            yield from _places(item, f"{place[:-1]}[].")


def keys_of(kinds: Mapping[str, str], prefix: str) -> list[str]:
    """The keys of an object, by its place."""
    below = (place.removeprefix(prefix) for place in kinds if place.startswith(prefix))
    return [key for key in below if not re.search(r"[.\[]", key)]


def json_table(kinds: Mapping[str, str], prefix: str, meanings: Mapping[str, str], without: Sequence[str] = ()) -> str:
    keys = [key for key in keys_of(kinds, prefix) if key not in without]
    return table("key", [(f"`{key}`", kinds[prefix + key], {**_GENERAL, **meanings}[key]) for key in keys])


def table(first: str, rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in ((first, "type", "meaning"), ("---",) * 3, *rows))


def meanings_of(kind: type) -> dict[str, str]:
    """What a dataclass's docstring says of its attributes, without types and shapes, as the cell of a table."""
    lines = (kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for names, text in re.findall(r"^ {8}(\w+(?:, \w+)*): (.*(?:\n {12}.*)*)", lines, flags=re.MULTILINE):
        plain = re.sub(r"(^|, )\w+ \([^)]*\)(, |\.?$)", "", " ".join(text.split())).rstrip(".").replace("None", "null")
        plain = plain if plain[1:2].isupper() else plain[:1].lower() + plain[1:]
        found |= dict.fromkeys(names.split(", "), plain)
    return {name: text for name, text in found.items() if not text.startswith("as in `zaponnx.graph")}


def render(document: str, tables: Mapping[str, str]) -> str:
    """The document with its tables as the code has them: each between <!-- NAME --> and <!-- end -->.

    Raises:
        ValueError: It has not each of them once.
    """
    named = re.compile(r"(<!-- (?P<name>(?!end )[a-z ]+) -->\n\n).*?(\n\n<!-- end -->)", flags=re.DOTALL)
    if sorted(each["name"] for each in named.finditer(document)) != sorted(tables):
        raise ValueError(f"the document must have each of these tables once: {', '.join(tables)}")
    return named.sub(lambda each: f"{each[1]}{tables[each['name']]}{each[3]}", document)


def rewrite(path: Path, tables: Mapping[str, str]) -> None:
    """Renders a document's file in place."""
    path.write_text(render(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
