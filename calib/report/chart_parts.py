"""What the charts have in common: a specification's type, their height, an axis of shares, and unique names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Spec = dict[str, Any]

HEIGHT = 240
"""Pixels, of a chart that has no rows."""

ROW = 20
"""Pixels, of a layer's row."""


def unique(names: Iterable[str]) -> list[str]:
    """Layers' names, each once: a chart has a row for each."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = number = seen.get(name, 0) + 1
        found.append(name if number == 1 else f"{name} ({number})")
    return found


def share_axis(field: str, title: str) -> Spec:
    """A quantity from 0 to 1, in percent."""
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": ".0%", "tickCount": 6}}
