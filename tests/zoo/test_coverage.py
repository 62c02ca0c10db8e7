"""What docs/coverage.json says of some networks is what zaponnx does with them now, and nothing is wrong with it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from zoo import coverage
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


def test_the_record_has_every_network_and_no_problems(recorded: dict[str, dict[str, Any]]) -> None:
    assert recorded.keys() == {network.label for network in NETWORKS}
    assert not any(row["problems"] for row in recorded.values())


def test_what_differs_too_much_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "FACTOR", 0)
    network = next(network for network in NETWORKS if network.name == "light_squeezenet")
    assert any(problem.startswith("library: differs by") for problem in cover(network).problems)


def test_what_cannot_be_exported_is_a_problem() -> None:
    row = cover(Network("resnet18", TORCHSCRIPT, opset=11, size=32, keywords={"colour": "blue"}))
    assert (row.network, row.convs) == ("resnet18", 0)
    assert "it cannot be covered: " in row.problems[0]
    assert "colour" in row.problems[0]


@pytest.mark.parametrize("name", ["vit_b_32", "efficientnet_b0"])
def test_a_network_without_sites_is_not_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """But converted."""
    monkeypatch.setattr(coverage, "normalize", None)
    monkeypatch.setattr(coverage, "differences", None)
    row = cover(next(network for network in NETWORKS if network.label == f"{name}:{TORCHSCRIPT}"))
    assert (row.sites, row.problems, dict(row.differences)) == (0, (), {})
    assert sum(row.refusals.values()) == row.convs > 0


@pytest.mark.parametrize("network", _CHECKED, ids=lambda network: network.label)
def test_networks_are_covered_as_recorded(network: Network, recorded: dict[str, dict[str, Any]]) -> None:
    row: Row = cover(network)
    assert row.problems == ()
    structure = json.loads(json.dumps(asdict(row)))
    assert {name: structure[name] for name in _STRUCTURE} == {
        name: recorded[network.label][name] for name in _STRUCTURE
    }
