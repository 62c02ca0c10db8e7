"""Writes what was measured on a GPU as JSON and as Markdown tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.gpu.sessions import SessionTimes
from benchmarks.markdown import table
from benchmarks.timing import Times


@dataclass(frozen=True)
class Machine:
    """What it was measured on.

    Attributes:
        device: As the library calls it, with its architecture.
        versions: Of Python, torch, CUDA, cuDNN, and ONNX Runtime if it is installed.
        command, date: The command, and when it was started (UTC).
        ceilings: By precision, teraflops of a large matrix product; as "bandwidth" terabytes per second of a copy.
    """

    device: str
    versions: Mapping[str, str]
    command: str
    date: str
    ceilings: Mapping[str, float]


@dataclass(frozen=True)
class Measurement:
    """A layer, or all convolutions of a network, at one operating point.

    Attributes:
        network, layer: What; the layer is "" for the whole network.
        count: How often the network has the layer.
        batch, precision, point: Images; one of `benchmarks.gpu.library.PRECISIONS`; pattern and saving, as "D-44.5".
        macs, saved_macs: Dense multiply-accumulates of all images, and how many of them are skipped.
        saved: Share of the predicted layers' that is skipped.
        tiles: Share of the work outside the pattern, in pixels x channel blocks, that is computed by tiles; None of a
            network.
        difference, flips: See `benchmarks.gpu.peers.Zap`; the largest of a network's layers.
        cudnn: Way → times, of the dense layer; the fastest way counts.
        zap: ZapConv's times; of a network with cuDNN for the layers that are not predicted.
    """

    network: str
    layer: str
    count: int
    batch: int
    precision: str
    point: str
    macs: int
    saved_macs: float
    saved: float
    tiles: float | None
    difference: float
    flips: float
    cudnn: Mapping[str, Times]
    zap: Times

    @property
    def dense_ms(self) -> float:
        """cuDNN's faster way."""
        return min(times.median_ms for times in self.cudnn.values())

    @property
    def speedup(self) -> float:
        """Above 1 ZapConv is faster."""
        return self.dense_ms / self.zap.median_ms

    def of_ceiling(self, teraflops: float) -> tuple[float, float]:
        """The shares of a ceiling that the dense layer reaches, and ZapConv by what it has to compute."""
        work = ((self.macs, self.dense_ms), (self.macs - self.saved_macs, self.zap.median_ms))
        dense, zap = (2 * macs / ms / 1e9 / teraflops for macs, ms in work)
        return dense, zap


@dataclass(frozen=True)
class Results:
    """All that was measured, as it accumulates.

    Attributes:
        machine: On what.
        measurements: Of layers and networks.
        sessions: Of models in ONNX Runtime.
        left_out: What was not measured, and why.
        wrong: ZapConvs that were not timed since their results are wrong.
    """

    machine: Machine
    measurements: list[Measurement] = field(default_factory=list)
    sessions: list[SessionTimes] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def result_name(device: str) -> str:
    """As in "gpu-nvidia-h100-80gb-hbm3-sm-90"."""
    return "gpu-" + re.sub("[^a-z0-9]+", "-", device.lower()).strip("-")


def write_results(results: Results, directory: Path) -> list[Path]:
    """Writes gpu-DEVICE.json and .md, each whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    name = result_name(results.machine.device)
    texts = {".json": json.dumps(asdict(results), indent=1) + "\n", ".md": markdown(results)}
    for suffix, text in texts.items():
        partial = directory / f"{name}{suffix}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(directory / f"{name}{suffix}")
    return [directory / f"{name}{suffix}" for suffix in texts]


def markdown(results: Results) -> str:
    """The report for people."""
    machine = results.machine
    networks = [each for each in results.measurements if not each.layer]
    layers = [each for each in results.measurements if each.layer]
    parts = [
        "# ZapConv on a GPU",
        f"{machine.device}. {', '.join(f'{name} {version}' for name, version in machine.versions.items())}.",
        f"`{machine.command}`, {machine.date}.",
        "Medians, in milliseconds, of runs in turn in one process, by CUDA events around CUDA graphs. cuDNN: the dense "
        "layer with its ReLU in channels_last, by the faster of one call and separate calls, each with the fastest "
        "algorithm found; float32 is strict: cuDNN's without TF32, ZapConv's with both parts of every factor. Made-up "
        "weights and patchy activations; every layer saves the share that the point asks of its network. Of ceiling: "
        "the multiply-adds that are dense / that ZapConv cannot skip, by the time and by the largest matrix product's. "
        "By tiles: the share of pixels x channel blocks outside the pattern that ZapConv computes whole. Networks: all "
        "convolutions, one after the other, those that are not predicted by cuDNN.",
        _section("Ceilings", _ceilings(machine.ceilings)),
        *(_section(f"Networks, {precision}", _rows(of, machine)) for precision, of in _by_precision(networks)),
        *(_section(f"Layers, {precision}", _rows(of, machine)) for precision, of in _by_precision(layers)),
        _section("ONNX Runtime, whole models", _sessions(results.sessions)),
        _section("WRONG RESULTS, not timed", "\n".join(f"- {each}" for each in results.wrong)),
        _section("Not measured", "\n".join(f"- {each}" for each in results.left_out)),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _section(title: str, content: str) -> str:
    return f"## {title}\n\n{content}" if content else ""


def _by_precision(measurements: Iterable[Measurement]) -> Iterable[tuple[str, list[Measurement]]]:
    groups: dict[str, list[Measurement]] = {}
    for each in measurements:
        groups.setdefault(each.precision, []).append(each)
    return groups.items()


def _ceilings(found: Mapping[str, float]) -> str:
    rows = [[name, f"{value:.2f} {'TB/s' if name == 'bandwidth' else 'TFLOP/s'}"] for name, value in found.items()]
    return table(["", "measured"], rows)


def _rows(measurements: Sequence[Measurement], machine: Machine) -> str:
    header = ["", "times", "pattern and goal", "saved", "batch", "cuDNN ms", "ZapConv ms", "× cuDNN", "of ceiling"]
    header += ["by tiles", "difference"]
    rows = []
    for each in measurements:
        dense, zap = each.of_ceiling(machine.ceilings[each.precision])
        rows.append(
            [
                f"{each.network} {each.layer}".strip(),
                str(each.count),
                each.point.replace("-", " ") + " %",
                f"{each.saved:.1%}",
                str(each.batch),
                f"{each.dense_ms:.4f}",
                f"{each.zap.median_ms:.4f}",
                f"{each.speedup:.2f}",
                f"{dense:.2f} / {zap:.2f}",
                "" if each.tiles is None else f"{each.tiles:.0%}",
                f"{each.difference:.0e}",
            ]
        )
    return table(header, rows)


def _sessions(sessions: Sequence[SessionTimes]) -> str:
    rows = [
        [
            each.converted,
            str(each.batch),
            "TF32" if each.tf32 else "strict",
            "graph" if each.graph else "kernels",
            f"{each.dense_times.median_ms:.3f}",
            f"{each.converted_times.median_ms:.3f}",
            f"{each.dense_times.median_ms / each.converted_times.median_ms:.2f}",
        ]
        for each in sessions
    ]
    return table(["model", "batch", "float32", "launched", "dense ms", "converted ms", "× dense"], rows)
