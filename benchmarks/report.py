"""Writes results as JSON and as Markdown tables: ratios to every peer, targets, shares of the peak and of the ideal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environment import Environment
from benchmarks.kernel_report import accounts_table, kernels_table, peaks_table
from benchmarks.kernels import peak_gmacs
from benchmarks.measuring import ORT, Measurement, TunedMeasurement
from benchmarks.memory import SessionCost
from benchmarks.peers import PEERS
from benchmarks.points import Point
from benchmarks.preparing import TOLERANCE
from benchmarks.tables import at_least, at_most, control, label, table
from benchmarks.timing import Times
from zaponnx.files import atomic_path

TARGET_THREADS = 2
"""The number of threads that the points' targets are for."""

PEAK_MEMORY_TARGET = 1.3
CREATION_TARGET = 2.0
"""What a converted model's session may take at most, relative to the dense one's."""

SCALING_TARGET = 0.9
"""How much a converted model must gain from more threads, relative to the dense one in ORT."""

_NAMES = {"onnxruntime": "ORT", "openvino": "OpenVINO", "ncnn": "ncnn"}


@dataclass(frozen=True)
class Results:
    """All that was measured, as it accumulates.

    Attributes:
        environment: On what.
        networks: Networks, batch 1.
        tuned: Networks without a large classifier, tuned.
        layers: Their layers.
        batches: Larger batches.
        concurrent: Sessions that ran at the same time.
        sessions: Network and part → "dense" or a point's name → what a session of it takes.
        kernels: What `benchmarks.kernels` read.
    """

    environment: Environment
    networks: list[Measurement] = field(default_factory=list)
    tuned: list[TunedMeasurement] = field(default_factory=list)
    layers: list[Measurement] = field(default_factory=list)
    batches: list[Measurement] = field(default_factory=list)
    concurrent: list[Measurement] = field(default_factory=list)
    sessions: dict[str, dict[str, SessionCost]] = field(default_factory=dict)
    kernels: list[Mapping[str, Any]] = field(default_factory=list)


def write_report(results: Results, points: Mapping[str, Sequence[Point]], directory: Path, name: str) -> list[Path]:
    """Writes NAME.json and NAME.md.

    Args:
        results: What to write.
        points: Network → its points, for the targets.
        directory, name: Where to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    as_json = json.dumps(asdict(results), indent=1, default=_file_name)
    texts = {".json": as_json + "\n", ".md": markdown(results, points)}
    for suffix, text in texts.items():
        with atomic_path(directory / f"{name}{suffix}", "bench") as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [directory / f"{name}{suffix}" for suffix in texts]


def _file_name(path: Path) -> str:
    """All of a path that means something on another machine."""
    return path.name


def markdown(results: Results, points: Mapping[str, Sequence[Point]]) -> str:
    """The report for people."""
    by_name = {(point.network, point.name): point for entries in points.values() for point in entries}
    targets = {name: point.targets for name, point in by_name.items()}
    smallest = {each.subject.network: each.subject.part for each in results.networks}  # which is measured last
    without_classifier = [each for each in results.networks if each.subject.part == smallest[each.subject.network]]
    judged = [
        each
        for each in without_classifier
        if each.threads == TARGET_THREADS and any(targets[each.subject.network, name] for name in each.converted)
    ]
    others = [each for each in results.networks if each not in judged]
    parts = [
        _environment(results.environment),
        _section("Networks, against the targets", _times(judged, results.kernels, targets)),
        _section("Networks, other", _times(others, results.kernels, {})),
        _section(
            "What the kernels account for",
            accounts_table(without_classifier, results.layers, by_name, results.kernels),
        ),
        _section("Networks, tuned", _tuned(results.tuned, by_name)),
        _section("Scaling with threads", _scaling(results)),
        _section("Layers", _times(results.layers, results.kernels, {})),
        _section("Batches", _times(results.batches, results.kernels, {})),
        _section("Sessions at the same time", _concurrent(results.concurrent)),
        _section("Memory and creation of a session", _sessions(results.sessions)),
        _section("Multiply-add peaks", peaks_table(results.kernels)),
        _section("Kernels", kernels_table(results.kernels)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _section(title: str, table: str) -> str:
    return f"## {title}\n\n{table}" if table else ""


def _environment(found: Environment) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    lines = [
        "# Benchmark",
        f"{found.cpu}, {found.cores} cores, {' '.join(found.flags)}; zaponnx's kernels use {found.isa}.",
        f"{packages}.",
        f"`{found.command}`, {found.date}, commit {found.commit}.",
        *(
            f"{_NAMES[peer]} was not measured: {', '.join(packages)} not installed."
            for peer, packages in found.missing.items()
        ),
        "Milliseconds are medians of runs in turn; ratios are times faster than the peer, all on the dense model. "
        "Saved is the share of the predicted layers' MACs that was skipped on the timed input, beside the goal. "
        "Tuned: each layer skips, or computes all outputs by Winograd's (in full), or stays dense, as is fastest; what "
        "such a model gains without skipping is no saving, so it has no target unless it saves the point's MACs, too. "
        "Of ideal: the ratio to ORT by 1/(1 − saved). Of peak: MACs that are really computed, in convolutions, by the "
        "time and by the machine's multiply-add peak; ORT's dense model / the converted one. Control: ORT's dense "
        "model to itself in a second session, which is noise, and what other processes took of the cores' time where "
        "there were not enough rounds with less than 5 %. Scaling: how many times as fast with more threads; its "
        "ratio is zaponnx's to ORT's. What the kernels account for: p is the share of the predicted layers' MACs in "
        "the pattern, c computed outside of it, at a density among the outputs there; d, e and r are the shares of "
        "the peak at which the dense network, the pattern path's loop and the sparse path's loop run, the loops' being "
        "medians over the network's shapes below; by the loops, the converted network would take as much of the dense "
        "one's time as p · d / e + c · d / r says of the predicted layers, the others at the dense network's speed; by "
        "the kernels, as whole layers in NHWC below say, medians at the same density of independent masks; by the "
        "layers, as the times of the layers alone say, with the network's masks, residuals, ORT around them and "
        "conversions of layout. Kernels: shares of the peak; whole layers at a density of 1 compute all "
        "outputs, 3×3 ones of stride 1 by fewer multiply-adds than are counted.",
    ]
    return "\n\n".join(lines)


def _times(
    measurements: Sequence[Measurement],
    kernels: Sequence[Mapping[str, Any]],
    targets: Mapping[tuple[str, str], Mapping[str, float]],
) -> str:
    """A row per measurement and operating point."""
    peers = [peer for peer in PEERS if any(peer in measurement.dense for measurement in measurements)]
    header = ["", "pattern and goal", "saved", "threads", *(f"{_NAMES[peer]} ms" for peer in peers), "zaponnx ms"]
    header += [f"× {_NAMES[peer]}" for peer in peers] + ["control", "of ideal", "of peak"]
    rows = []
    for measurement in measurements:
        subject = measurement.subject
        for name, times in measurement.converted.items():
            saving = measurement.savings[name]
            ratios = {peer: measurement.dense[peer].median_ms / times.median_ms for peer in peers}
            aims = targets.get((subject.network, name), {})
            peak = peak_gmacs(kernels, measurement.threads)
            computed = (subject.macs, subject.macs - saving * subject.predicted_macs)
            spent = (measurement.dense[ORT].median_ms, times.median_ms)
            shares = [f"{macs / ms / peak / 1e6:.2f}" for macs, ms in zip(computed, spent, strict=True)] if peak else []
            rows.append(
                [
                    label(measurement.subject),
                    name.replace("-", " ") + " %",
                    f"{saving:.1%}",
                    str(measurement.threads),
                    *(f"{measurement.dense[peer].median_ms:.2f}" for peer in peers),
                    f"{times.median_ms:.2f}",
                    *(at_least(ratio, aims.get(peer)) for peer, ratio in ratios.items()),
                    control(measurement),
                    f"{ratios[ORT] * (1 - saving):.2f}",
                    " / ".join(shares) or "?",
                ]
            )
    return table(header, rows)


def _tuned(measurements: Sequence[TunedMeasurement], points: Mapping[tuple[str, str], Point]) -> str:
    """A row per measurement; targets are for models that save what they are for."""
    peers = [peer for peer in PEERS if any(peer in measurement.dense for measurement in measurements)]
    header = ["", "pattern and goal", "threads", "skipping", "in full", "dense", "saved"]
    header += [
        *(f"{_NAMES[peer]} ms" for peer in peers),
        "untuned ms",
        "tuned ms",
        *(f"× {_NAMES[peer]}" for peer in peers),
        "control",
    ]
    rows = []
    for measurement in measurements:
        model = measurement.model
        point = points[measurement.subject.network, measurement.point]
        judged = measurement.threads == TARGET_THREADS and measurement.subject.batch == 1
        reached = judged and model.saving >= point.saving - TOLERANCE
        aims = point.targets if reached else {}
        times = [*(measurement.dense[peer] for peer in peers), measurement.untuned, measurement.tuned]
        ratios = {peer: measurement.dense[peer].median_ms / measurement.tuned.median_ms for peer in peers}
        rows.append(
            [
                label(measurement.subject),
                measurement.point.replace("-", " ") + " %",
                *map(str, (measurement.threads, model.skipping, model.in_full, model.dense)),
                f"{model.saving:.1%}",
                *(f"{each.median_ms:.2f}" for each in times),
                *(at_least(ratio, aims.get(peer)) for peer, ratio in ratios.items()),
                control(measurement),
            ]
        )
    return table(header, rows)


def _scaling(results: Results) -> str:
    """A row per network and model that was timed with fewer and with more threads."""
    times: dict[tuple[str, str], dict[int, float]] = {}
    dense: dict[tuple[str, str], dict[int, float]] = {}

    def add(measurement: Measurement | TunedMeasurement, name: str, converted: Times) -> None:
        key = (label(measurement.subject), name)
        times.setdefault(key, {})[measurement.threads] = converted.median_ms
        dense.setdefault(key, {})[measurement.threads] = measurement.dense[ORT].median_ms

    for measurement in results.networks:
        for name, converted in measurement.converted.items():
            add(measurement, name, converted)
    for tuned in results.tuned:
        add(tuned, f"{tuned.point} tuned", tuned.tuned)
    rows = []
    for (subject, name), by_threads in times.items():
        few, many = min(by_threads), max(by_threads)
        if few == many:
            continue
        gains = [each[few] / each[many] for each in (dense[subject, name], by_threads)]
        ratio = at_least(gains[1] / gains[0], SCALING_TARGET)
        rows.append([subject, name, f"{few} → {many}", *(f"{gain:.2f}" for gain in gains), ratio])
    return table(["", "pattern and goal", "threads", "ORT ×", "zaponnx ×", "ratio"], rows)


def _concurrent(measurements: Sequence[Measurement]) -> str:
    rows = [
        [
            label(measurement.subject),
            name,
            str(measurement.sessions),
            f"{measurement.dense[ORT].median_ms:.2f}",
            f"{times.median_ms:.2f}",
            f"{measurement.dense[ORT].median_ms / times.median_ms:.2f}",
            control(measurement),
        ]
        for measurement in measurements
        for name, times in measurement.converted.items()
    ]
    return table(["", "pattern and goal", "sessions of one thread", "ORT ms", "zaponnx ms", "× ORT", "control"], rows)


def _sessions(costs: Mapping[str, Mapping[str, SessionCost]]) -> str:
    rows = []
    for network, by_model in costs.items():
        dense, *others = by_model.items()
        for name, cost in others:
            memory, creation = (cost.peak_mb / dense[1].peak_mb, cost.creation_ms / dense[1].creation_ms)
            rows.append(
                [
                    network,
                    name,
                    f"{dense[1].peak_mb:.0f}",
                    f"{cost.peak_mb:.0f}",
                    at_most(memory, PEAK_MEMORY_TARGET),
                    f"{dense[1].creation_ms:.0f}",
                    f"{cost.creation_ms:.0f}",
                    at_most(creation, CREATION_TARGET),
                ]
            )
    header = ["", "pattern and goal", "dense MiB", "zaponnx MiB", "ratio", "dense ms", "zaponnx ms", "ratio"]
    return table(header, rows)
