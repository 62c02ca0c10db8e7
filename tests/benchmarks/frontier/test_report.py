from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.environment import Environment
from benchmarks.frontier.measuring import Frontier, Point
from benchmarks.frontier.methods import Finetuning
from benchmarks.frontier.report import markdown, write_report

TITLES = {"net": "a network", "unmeasured": "another one"}


@pytest.fixture
def found() -> Environment:
    return Environment("Abacus", 10, ["beads"], "wood", {"python": "3"}, {}, "python -m x", "2020-08-23", "abc")


def frontier(method: str, seed: int, saving: float, finetuning: Finetuning | None = None) -> Frontier:
    """A straight one, which loses 0.01 where so much is saved."""
    points = tuple(Point(share, share, 0.9 - 0.01 * share / saving) for share in (0.1, 0.3, 0.5))
    return Frontier("net", method, seed, finetuning, 0.9, points)


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_savings_are_set_beside_the_plain_methods_of_the_same_seed(found: Environment) -> None:
    frontiers = [frontier("plain-B", 0, 0.2), frontier("plain-B", 1, 0.1)]
    frontiers += [frontier("default", 0, 0.3), frontier("default", 1, 0.2), frontier("default", 0, 0.4, "default")]
    frontiers += [frontier("plain-D", 1, 0.05), frontier("plain-D", 0, 0.25, "default")]
    frontiers += [frontier("plain-B", 0, 0.16, "published")]
    plain, _, default, published, tuned_plain, tuned = rows(markdown(frontiers, TITLES, found))
    assert plain[1:] == ["no", "2", "15.0 % ± 7.1 (10.0 to 20.0)", "1.00 ± 0.00 (1.00 to 1.00), +0.0", "", ""]
    assert default[1:] == ["no", "2", "25.0 % ± 7.1 (20.0 to 30.0)", "1.75 ± 0.35 (1.50 to 2.00), +10.0", "", ""]
    assert published[1:] == ["as published", "1", "16.0 %", "0.80, -4.0", "1.00, +0.0", "0.64, -9.0"]
    assert tuned_plain[1:] == ["by default", "1", "25.0 %", "1.25, +5.0", "1.56, +9.0", "1.00, +0.0"]
    assert tuned[1:] == ["by default", "1", "40.0 %", "2.00, +20.0", "2.50, +24.0", "1.60, +15.0"]


def test_networks_that_were_not_measured_are_not_reported(found: Environment) -> None:
    text = markdown([frontier("plain-B", 0, 0.2)], TITLES, found)
    assert "## A network" in text
    assert "nother" not in text


def test_writes_json_markdown_and_a_plot(found: Environment, tmp_path: Path) -> None:
    paths = write_report([frontier("plain-B", 0, 0.2), frontier("default", 0, 0.8)], TITLES, found, tmp_path)
    assert [path.name for path in paths] == ["frontier.json", "frontier.md", "frontier.png"]
    results = json.loads(paths[0].read_text())
    assert [entry["saving"] for entry in results["frontiers"]] == [pytest.approx(0.2), 0.5]
    assert results["frontiers"][0]["points"][1] == {"goal": 0.3, "saved": 0.3, "top1": pytest.approx(0.885)}
    assert paths[1].read_text().endswith("|\n")
    assert paths[2].read_bytes().startswith(b"\x89PNG")
