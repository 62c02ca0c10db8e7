"""Writes the tables of docs/artifacts.md from the code: `python -m zaponnx.artifact_docs docs/artifacts.md`.

Keys, types and ranges are those that the readers take when they read an example of each file; what a key means is what
the dataclass says that it is read into.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zaponnx.artifact_schema import calibration_of, calibration_parts, fit_document, fit_of
from zaponnx.artifacts import MAGNITUDES, Calibration, Fit, OperatingPoint, Predictor, SiteCalibration
from zaponnx.calib.cost_table import CostTable, SiteCosts, costs_document, costs_of
from zaponnx.chosen_point import ChosenPoint, Conditions, Goal, Trial, UsedData
from zaponnx.graph.site import Site
from zaponnx.json_fields import Fields
from zaponnx.patterns import Pattern
from zaponnx.stopwatch import PairedTimes

_CHANNELS, _EDGES = 7, 4
_SYMBOLS = {_CHANNELS: "M", _EDGES: "E", _EDGES + 1: "E + 1"}
"""What the sizes of the example's tensors are called."""

_HASH = "0" * 64
_GENERAL = {"format": "what kind of file it is", "version": "version of this format"}
_STEPS = {"steps": "what its ZapConv gained at some densities"}
_CURVE = {
    "curve": '"measured" or "sigmoid": what the thresholds were computed from',
    "reason": "why a sigmoid was given up; optional",
    "error": "a, b, c, d of the fitted d + a / (1 + exp(−b·x + c)); optional",
    "macs": "the same of the MACs; optional",
}


class _Recorder(Fields):
    """Reads as Fields does, and records what each key is read as."""

    kinds: dict[str, str]
    nullable: set[str]

    def of(self, kinds: dict[str, str], nullable: set[str]) -> _Recorder:
        """The same, recording into a dict: by its place, a key's type; and into a set the places that can be null."""
        self.kinds, self.nullable = kinds, nullable
        return self

    def _child(self, data: Any, place: str) -> _Recorder:
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

    def object(self, key: str) -> _Recorder:
        self._record(key, "object")
        return super().object(key)

    def objects(self, key: str) -> list[_Recorder]:
        self._record(key, "array of objects")
        return super().objects(key)

    def numbers(self, key: str, length: int) -> list[float]:
        self._record(key, f"array of {length} numbers")
        return super().numbers(key, length)


def _range(low: float, high: float) -> str:
    return ("" if low == -math.inf else f" from {low:g}") + ("" if high == math.inf else f" to {high:g}")


def _calibration() -> Calibration:
    rows, columns = (_CHANNELS, _EDGES + 1), (MAGNITUDES, _EDGES + 1)
    weights, biases = np.zeros((_CHANNELS, 1, 3, 3), np.float32), np.zeros(_CHANNELS, np.float32)
    site = SiteCalibration(
        name="conv",
        output="y",
        channels=_CHANNELS,
        macs_per_output=9,
        predictor=Predictor(weights, biases, weights, biases),
        counts=np.zeros(rows, np.int64),
        values=np.zeros(rows),
        total_value=1.0,
        outputs=1,
        samples=1,
        magnitudes=np.zeros(columns, np.int64),
    )
    return Calibration(_HASH, Pattern.parse("D"), np.arange(_EDGES, dtype=np.float32), (site,))


def _fit() -> Fit:
    point, data = OperatingPoint(1.0, 1.0, 0.5, {"y": (math.inf,)}), UsedData("digits", "calibration", 1)
    times = PairedTimes(2.0, 1.0, 1.0, 0.1)
    trials = (Trial(1.0, 0.5, 0.9, None), Trial(1.0, 0.5, None, times))
    chosen = ChosenPoint(Goal(latency=1.0), point, (), "", data, _conditions(), trials)
    curve = {"curve": "sigmoid", "reason": "", "error": [0.0] * 4, "macs": [0.0] * 4}
    return Fit(_HASH, _HASH, "exact", "layer", "output", (point,), {"y": curve}, data, chosen)


def _conditions() -> Conditions:
    return Conditions("", 1, 1, 1, "", "")


def _costs() -> CostTable:
    site = SiteCosts("y", 1.0, 0.0, (0.5,), (1.0,))
    return CostTable(_HASH, _HASH, UsedData("digits", "calibration", 1), _conditions(), (site,))


def tables() -> dict[str, str]:
    """The tables in Markdown, by their names."""
    header, arrays = calibration_parts(_calibration())
    calibration = _kinds(header, lambda read: calibration_of(read, dict(arrays)))
    fit = _kinds(fit_document(_fit()), fit_of)
    costs = _kinds(costs_document(_costs()), costs_of)
    point = _keys(fit, "points[].")
    return {
        "calibration": _json_table(calibration, "", _meanings(Calibration)),
        "calibration site": _json_table(calibration, "sites[].", _meanings(SiteCalibration) | _meanings(Site)),
        "calibration tensors": _tensor_table(arrays, *map(_meanings, (Calibration, SiteCalibration, Predictor))),
        "fit": _json_table(fit, "", _meanings(Fit)),
        "point": _json_table(fit, "points[].", _meanings(OperatingPoint)),
        "chosen": _json_table(fit, "chosen.", _meanings(ChosenPoint), without=point),
        "curve": _json_table(fit, "curves.y.", _CURVE),
        "data": _json_table(fit, "chosen.data.", _meanings(UsedData)),
        "conditions": _json_table(fit, "chosen.conditions.", _meanings(Conditions)),
        "trial": _json_table(fit, "chosen.trials[].", _meanings(Trial)),
        "times": _json_table(fit, "chosen.trials[].times.", _meanings(PairedTimes)),
        "costs": _json_table(costs, "", _meanings(CostTable)),
        "costs site": _json_table(costs, "sites[].", _meanings(SiteCosts) | _STEPS),
        "costs step": _json_table(costs, "sites[].steps[].", _meanings(SiteCosts)),
    }


def _kinds(document: Mapping[str, Any], read: Callable[[Fields], object]) -> dict[str, str]:
    """What the keys of a document are read as, by their places, in the document's order."""
    written = json.loads(json.dumps(document))
    kinds: dict[str, str] = {}
    nullable: set[str] = set()
    read(_Recorder(written, "documentation", "the example").of(kinds, nullable))
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


def _keys(kinds: Mapping[str, str], prefix: str) -> list[str]:
    """The keys of an object, by its place."""
    below = (place.removeprefix(prefix) for place in kinds if place.startswith(prefix))
    return [key for key in below if not re.search(r"[.\[]", key)]


def _json_table(kinds: Mapping[str, str], prefix: str, meanings: Mapping[str, str], without: Sequence[str] = ()) -> str:
    keys = [key for key in _keys(kinds, prefix) if key not in without]
    return _table("key", [(f"`{key}`", kinds[prefix + key], {**_GENERAL, **meanings}[key]) for key in keys])


def _tensor_table(arrays: Mapping[str, Any], *meanings: Mapping[str, str]) -> str:
    known = {name: text for each in meanings for name, text in each.items()}
    rows = []
    for name, array in arrays.items():
        shape = ", ".join(_SYMBOLS.get(size, str(size)) for size in array.shape)
        rows.append((f"`{name.replace('.0.', '.i.')}`", f"{array.dtype} ({shape})", known[name.rpartition(".")[2]]))
    return _table("tensor", rows)


def _table(first: str, rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in ((first, "type", "meaning"), ("---",) * 3, *rows))


def _meanings(kind: type) -> dict[str, str]:
    """What a dataclass's docstring says of its attributes, without types and shapes, as the cell of a table."""
    lines = (kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for names, text in re.findall(r"^ {8}(\w+(?:, \w+)*): (.*(?:\n {12}.*)*)", lines, flags=re.MULTILINE):
        plain = re.sub(r"(^|, )\w+ \([^)]*\)(, |\.?$)", "", " ".join(text.split())).rstrip(".").replace("None", "null")
        plain = plain if plain[1:2].isupper() else plain[:1].lower() + plain[1:]
        found |= dict.fromkeys(names.split(", "), plain)
    return {name: text for name, text in found.items() if not text.startswith("as in `zaponnx.graph")}


def render(document: str) -> str:
    """The document with its tables as the code has them: each between <!-- NAME --> and <!-- end -->."""
    found = tables()
    named = re.compile(r"(<!-- (?P<name>(?!end )[a-z ]+) -->\n\n).*?(\n\n<!-- end -->)", flags=re.DOTALL)
    if sorted(each["name"] for each in named.finditer(document)) != sorted(found):
        raise ValueError(f"the document must have each of these tables once: {', '.join(found)}")
    return named.sub(lambda each: f"{each[1]}{found[each['name']]}{each[3]}", document)


if __name__ == "__main__":
    _path = Path(sys.argv[1])
    _path.write_text(render(_path.read_text(encoding="utf-8")), encoding="utf-8")
