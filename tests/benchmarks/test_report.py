from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.environment import Environment
from benchmarks.measuring import Measurement, Subject, TunedMeasurement
from benchmarks.memory import SessionCost
from benchmarks.points import Point
from benchmarks.report import Results, markdown, write_report
from benchmarks.timing import Times
from benchmarks.tuning import Tuned

SPEEDS = {"straw": 10.0, "wood": 20.0}
POINTS = {"net": [Point("net", "B", 0.25, {"onnxruntime": 1.3, "openvino": 1.4})]}


def times(median_ms: float) -> Times:
    return Times(median_ms, median_ms, median_ms, 5)


def measurement(part: str, threads: int, **changes: object) -> Measurement:
    subject = Subject("net", part, layer="", count=1, batch=1, macs=40_000_000, predicted_macs=20_000_000)
    dense = {"onnxruntime": times(4.0), "openvino": times(3.9)}
    converted = {"B-25.0": times(3.0)}
    return replace(Measurement(subject, threads, 1, dense, times(4.1), converted, {"B-25.0": 0.25}), **changes)


@pytest.fixture
def results() -> Results:
    found = Environment(
        cpu="Abacus",
        cores=10,
        flags=["beads"],
        isa="wood",
        versions={"python": "3"},
        missing={"ncnn": ["pnnx"]},
        command="python -m benchmarks",
        date="2020-08-23",
        commit="abc",
    )
    return Results(found, [measurement(part, threads) for part in ("whole", "features") for threads in (1, 2)])


def section(text: str, title: str) -> list[list[str]]:
    """The cells of a section's table, without its header."""
    lines = text.partition(f"## {title}\n\n")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_targets_are_for_two_threads_and_the_smallest_part(results: Results) -> None:
    text = markdown(results, POINTS)
    (row,) = section(text, "Networks, against the targets")
    assert row[:4] == ["net features", "B 25.0 %", "25.0%", "2"]
    assert row[4:9] == ["4.00", "3.90", "3.00", "1.33 ≥ 1.30", "**1.30 < 1.40**"]
    assert [[row[0], row[3]] for row in section(text, "Networks, other")] == [
        ["net", "1"],
        ["net", "2"],
        ["net features", "1"],
    ]


def test_share_of_ideal_and_of_peak(results: Results) -> None:
    assert section(markdown(results, POINTS), "Networks, other")[0][-3:] == ["0.98", "1.00", "?"]
    # 40 M MACs in 4 ms are 10 GMAC/s; 40 M less a quarter of 20 M in 3 ms are 11.7.
    results.kernels.append({"kind": "peak", "isa": "wood", "threads": 1, "gmacs": 20.0})
    assert section(markdown(results, POINTS), "Networks, other")[0][-1] == "0.50 / 0.58"


def test_environment_is_named(results: Results) -> None:
    text = markdown(results, POINTS)
    assert "Abacus, 10 cores, beads; zaponnx's kernels use wood." in text
    assert "ncnn was not measured: pnnx not installed." in text
    assert "`python -m benchmarks`, 2020-08-23, commit abc." in text


def test_sections_of_what_was_not_measured_are_left_out(results: Results) -> None:
    assert "## Layers" not in markdown(results, POINTS)
    layer = replace(results.networks[0].subject, layer="8→8 3×3", count=2)
    results.layers.append(measurement("features", 1, subject=layer))
    assert section(markdown(results, POINTS), "Layers")[0][0] == "net 8→8 3×3, 2 of them"


def test_tuned_networks(results: Results) -> None:
    subject, model = results.networks[2].subject, Tuned(Path("tuned.onnx"), 3, 2, 1, 0.25)
    dense = {"onnxruntime": times(4.0), "ncnn": times(4.8)}
    for threads in (1, 2):
        results.tuned.append(
            TunedMeasurement(subject, threads, "B-25.0", model, dense, times(3.9), times(4.2), times(3.2))
        )
    results.tuned.append(replace(results.tuned[1], model=replace(model, saving=0.2)))
    results.tuned.append(replace(results.tuned[1], subject=replace(subject, batch=8)))
    one, two, less, more = section(markdown(results, POINTS), "Networks, tuned")
    assert two[:7] == ["net features", "B 25.0 %", "2", "3", "2", "1", "25.0%"]
    assert two[7:11] == ["4.00", "4.80", "4.20", "3.20"]
    assert one[11:] == ["1.25", "1.50", "1.03"]
    assert two[11:] == ["**1.25 < 1.30**", "1.50", "1.03"], "targets are for two threads"
    assert less[11:] == ["1.25", "1.50", "1.03"], "and for models that save what they are for"
    assert (more[0], more[11:]) == ("net features batch 8", ["1.25", "1.50", "1.03"]), "and for single images"


def test_scaling_beside_that_of_the_dense_model(results: Results) -> None:
    assert section(markdown(results, POINTS), "Scaling with threads") == [
        ["net", "B-25.0", "1 → 2", "1.00", "1.00", "1.00 ≥ 0.90"],
        ["net features", "B-25.0", "1 → 2", "1.00", "1.00", "1.00 ≥ 0.90"],
    ]
    dense = {"onnxruntime": times(2.0), "openvino": times(2.0)}
    results.networks[1] = replace(results.networks[1], dense=dense, converted={"B-25.0": times(2.0)})
    assert section(markdown(results, POINTS), "Scaling with threads")[0][3:] == ["2.00", "1.50", "**0.75 < 0.90**"]
    del results.networks[0:2], results.networks[1]
    assert "## Scaling" not in markdown(results, POINTS)


def test_sessions_and_kernels(results: Results) -> None:
    results.concurrent.append(measurement("whole", 1, sessions=2))
    results.sessions["net"] = {"dense": SessionCost(10, 100, 150), "B-25.0": SessionCost(21, 120, 170)}
    results.kernels.append(
        {
            "kind": "layer",
            "isa": "wood",
            "shape": "8",
            "threads": 1,
            "pattern": "B",
            "density": 0.5,
            "path": "sparse",
            "gmacs": 12.34,
            "share_of_peak": 0.617,
        }
    )
    text = markdown(results, POINTS)
    assert section(text, "Sessions at the same time") == [["net", "B-25.0", "2", "4.00", "3.00", "1.33", "0.98"]]
    (row,) = section(text, "Memory and creation of a session")
    assert row[2:] == ["100", "120", "1.20 ≤ 1.30", "10", "21", "**2.10 > 2.00**"]
    assert section(text, "Kernels") == [["wood, 8", "B", "1", "0.62"]]


def kernel(path: str, density: float, share: float, **changes: object) -> dict[str, object]:
    found = {"kind": "layer", "isa": "wood", "shape": "net 8", "threads": 1, "pattern": "B", "path": path}
    return {**found, "density": density, "gmacs": share * 20, "share_of_peak": share, **changes}


def test_what_the_kernels_account_for(results: Results) -> None:
    title = "What the kernels account for"
    assert f"## {title}" not in markdown(results, POINTS)
    results.kernels.extend([{"kind": "peak", "isa": isa, "threads": 1, "gmacs": peak} for isa, peak in SPEEDS.items()])
    results.kernels.extend([kernel("pattern", 1, share) for share in (0.7, 0.8, 0.9)])
    results.kernels.extend([kernel("sparse", 0.3, 0.2), kernel("sparse", 0.7, 0.6)])
    results.kernels.extend([kernel("layer-nhwc", 0.5, 0.3), kernel("layer-nhwc", 1, 2), kernel("layer", 0.5, 0.1)])
    others = {"isa": "straw"}, {"shape": "network 8"}, {"threads": 2}, {"pattern": "D"}
    results.kernels.extend([kernel("pattern", 1, 0.1, **other) for other in others])
    (row,) = section(markdown(results, POINTS), title)
    # The pattern has half of the MACs, a quarter is computed outside of it: half of the outputs there. The dense
    # network has half of the peak; half of its MACs are predicted layers': 0.5 + 0.5 * 0.5 * (0.5 / 0.8 + 0.25 / 0.4),
    # and for whole layers 0.5 + 0.5 * 0.5 * 0.75 / 0.3.
    found = ["0.50", "0.25", "0.50", "0.50", "0.80", "0.40", "0.81", "1.12"]
    assert row == ["net features", "B 25.0 %", "1", *found, "", "0.75"]
    layers = [(1, 4.0, 2.0, 1), (3, 8.0, 10.0, 1), (1, 1.0, 9.0, 2)]
    for count, dense, converted, threads in layers:
        layer = measurement("features", threads, dense={"onnxruntime": times(dense)})
        subject = replace(layer.subject, layer="3×3", count=count)
        results.layers.append(replace(layer, subject=subject, converted={"B-25.0": times(converted)}))
    (row,) = section(markdown(results, POINTS), title)
    assert row[-2:] == ["1.07", "0.75"]  # 0.5 + 0.5 * (2 + 3 * 10) / (4 + 3 * 8)


def test_files(results: Results, tmp_path: Path) -> None:
    as_json, as_markdown = write_report(results, POINTS, tmp_path / "new", "here")
    assert [path.name for path in (as_json, as_markdown)] == ["here.json", "here.md"]
    assert as_markdown.read_text(encoding="utf-8") == markdown(results, POINTS)
    read = json.loads(as_json.read_text(encoding="utf-8"))
    assert read["environment"]["cpu"] == "Abacus"
    assert read["networks"][3]["converted"]["B-25.0"]["median_ms"] == 3.0
