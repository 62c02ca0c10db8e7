"""A tiny network with a classifier, made ready to be timed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.peers import PEERS, missing_packages
from benchmarks.points import Point
from benchmarks.preparing import Prepared, prepare
from benchmarks.settings import SETTINGS, Settings

NETWORK = """
from torch import nn

def build():
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(2):
        layers += [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 4))
"""


@pytest.fixture(scope="session")
def peers() -> list[str]:
    """Those that are installed."""
    return [peer for peer in PEERS if not missing_packages(peer)]


@pytest.fixture(scope="session")
def points() -> list[Point]:
    return [Point("tiny", "B", 0.3, {"onnxruntime": 1.5}), Point("tiny", "D", 0.4, {})]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def parts(points: list[Point], cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Prepared]]:
    """The network whole, and without its classifier."""
    directory = tmp_path_factory.mktemp("tiny")
    (directory / "tiny_network.py").write_text(NETWORK)
    settings = Settings("tiny_network:build", size=32, classifier=True, samples=8, epochs=1, timed=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        patch.setitem(SETTINGS, "tiny", settings)
        yield prepare("tiny", points, cache)
