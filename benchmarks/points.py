"""Reads operating_points.json: how much each network is to save, and how much faster that is to make it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).with_name("operating_points.json")


@dataclass(frozen=True)
class Point:
    """An operating point of a network.

    Attributes:
        network: The network's name, see `benchmarks.networks`.
        pattern: The computation pattern.
        saving: Share of the predicted layers' MACs to save, 0 to 1.
        targets: Peer → the least speed-up over it that is aimed at.
    """

    network: str
    pattern: str
    saving: float
    targets: Mapping[str, float]

    @property
    def name(self) -> str:
        """The pattern and the saving in percent, as in "B-23.8"."""
        return f"{self.pattern}-{self.saving:.1%}".rstrip("%")


def read_points() -> dict[str, list[Point]]:
    """Network → its points, both in the order of the file."""
    points: dict[str, list[Point]] = {}
    for entry in json.loads(_FILE.read_text(encoding="utf-8"))["points"]:
        point = Point(entry["network"], entry["pattern"], entry["mac_saved_percent"] / 100, entry["targets"])
        points.setdefault(point.network, []).append(point)
    return points
