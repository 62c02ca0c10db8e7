"""What docs/coverage.json says of some networks is what zaponnx does with them now, and nothing is wrong with it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from zoo.coverage import Row, cover
from zoo.exports import TORCHSCRIPT
from zoo.networks import LIGHT, NETWORKS, Network

_RECORD = Path(__file__).parents[2] / "docs" / "coverage.json"
_STRUCTURE = (
    *("size", "opset", "ir_version", "upgraded", "nodes", "convs", "sites", "share", "refusals"),
    "problems",
)
"""What does not depend on the machine."""

_FAST_EXPORTS = ("resnet18", "mobilenet_v2", "googlenet", "deeplabv3_mobilenet_v3_large")
_CHECKED = [
    network
    for network in NETWORKS
    if network.origin == LIGHT
    or (network.origin == TORCHSCRIPT and network.name in _FAST_EXPORTS)
    or network.label == "squeezenet1_1:dynamo"
]


@pytest.fixture(scope="module")
def recorded() -> dict[str, dict[str, Any]]:
    rows = json.loads(_RECORD.read_text())["networks"]
    return {f"{row['network']}:{row['origin']}": row for row in rows}


def test_the_record_is_complete_and_without_problems(recorded: dict[str, dict[str, Any]]) -> None:
    assert list(recorded) == [network.label for network in NETWORKS]
    assert not any(row["problems"] for row in recorded.values())


@pytest.mark.parametrize("network", _CHECKED, ids=lambda network: network.label)
def test_networks_are_covered_as_recorded(network: Network, recorded: dict[str, dict[str, Any]]) -> None:
    row: Row = cover(network)
    assert row.problems == ()
    structure = json.loads(json.dumps(asdict(row)))
    assert {name: structure[name] for name in _STRUCTURE} == {
        name: recorded[network.label][name] for name in _STRUCTURE
    }
