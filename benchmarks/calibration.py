"""`python -m benchmarks.calibration`: what an epoch of calibration takes; results/calibration-NAME.json and .md.

All predictors are trained in one pass, or layer by layer with a pass each, as the published code does, beside plain
inference of the same images. All images train here; a calibration holds every fourth one out, and takes less.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.environment import Environment, environment
from benchmarks.images import synthetic_images
from benchmarks.tables import at_most, table
from zaponnx.calib.capture import Capture
from zaponnx.calib.data import Batch
from zaponnx.calib.exporting import export
from zaponnx.calib.losses import TRAININGS
from zaponnx.calib.training import PredictorTrainer
from zaponnx.files import atomic_path
from zaponnx.graph.finding import find_sites
from zaponnx.graph.site import Site
from zaponnx.models import load_model
from zaponnx.patterns import Pattern
from zaponnx.runtime import open_session, session_options

Images = npt.NDArray[np.float32]

TARGET = 3.5
"""What an epoch of all layers may take at most, by plain inference."""

_PLAIN, _ONE_PASS = "plain inference", "one pass"
_RESULTS = Path(__file__).parent / "results"
_BATCH = 8
_PHASE = "bench"


@dataclass(frozen=True)
class EpochTimes:
    """Of one network.

    Attributes:
        sites, images, threads, rounds: How many.
        seconds: What was run → the median of the rounds' seconds per pass over the images.
    """

    sites: int
    images: int
    threads: int
    rounds: int
    seconds: dict[str, float]

    @property
    def ratios(self) -> dict[str, float]:
        """The seconds by those of plain inference."""
        return {name: value / self.seconds[_PLAIN] for name, value in self.seconds.items()}


def epoch_times(path: Path, images: Images, threads: int, rounds: int) -> EpochTimes:
    """Runs all in turn, some rounds of them, after one inference that is not counted.

    Args:
        path: The model.
        images: What it is fed with, (N, 3, H, W).
        threads, rounds: How many; threads of ONNX Runtime and of torch.
    """
    torch.set_num_threads(threads)
    model = load_model(path, _PHASE)
    session = open_session(path, session_options(threads=threads), None, _PHASE)
    name = session.get_inputs()[0].name
    batches = [Batch({name: images[start : start + _BATCH]}, None) for start in range(0, len(images), _BATCH)]
    sites, _ = find_sites(model)
    together = Capture(model, sites)
    alone = [(Capture(model, [site]), [site]) for site in sites]

    def plain() -> None:
        for batch in batches:
            session.run(None, dict(batch.inputs))

    def layer_by_layer() -> None:
        for capture, site in alone:
            _train(capture, site, batches)

    contenders: dict[str, Callable[[], None]] = {
        _PLAIN: plain,
        "all layers' outputs": lambda: _capture(together, batches),
        _ONE_PASS: lambda: _train(together, sites, batches),
        "one pass, training as published": lambda: _train(together, sites, batches, training="paper"),
        "one pass, patterns B, D and E": lambda: _train(together, sites, batches, "BDE"),
        "layer by layer": layer_by_layer,
    }
    times: dict[str, list[float]] = {contender: [] for contender in contenders}
    plain()
    for _ in range(rounds):
        for contender, run in contenders.items():
            start = time.perf_counter()
            run()
            times[contender].append(time.perf_counter() - start)
    seconds = {contender: statistics.median(each) for contender, each in times.items()}
    return EpochTimes(len(sites), len(images), threads, rounds, seconds)


def _capture(capture: Capture, batches: Sequence[Batch]) -> None:
    for batch in batches:
        capture.run(batch)


def _train(
    capture: Capture, sites: Sequence[Site], batches: Sequence[Batch], patterns: str = "D", training: str = "default"
) -> None:
    """Trains predictors for each of some patterns, by their letters."""
    channels = [site.channels for site in sites]
    trainers = [
        PredictorTrainer(channels, Pattern.parse(pattern), 0, _BATCH, training=TRAININGS[training])
        for pattern in patterns
    ]
    for batch in batches:
        outputs = capture.run(batch)
        for trainer in trainers:
            trainer.add(outputs, batch.size)


def markdown(found: Environment, source: str, times: EpochTimes) -> str:
    """The report for people."""
    packages = ", ".join(f"{package} {version}" for package, version in found.versions.items())
    rows = []
    for name, ratio in times.ratios.items():
        shown = at_most(ratio, TARGET) if name == _ONE_PASS else f"{ratio:.2f}"
        rows.append([name, f"{1e3 * times.seconds[name] / times.images:.1f}", shown])
    parts = [
        "# An epoch of calibration",
        f"{found.cpu}, {found.cores} cores; {packages}.",
        f"`{found.command}`, {found.date}, commit {found.commit}.",
        f"{source} with {times.sites} sites, {times.images} images in batches of {_BATCH}, {times.threads} threads; "
        f"medians of {times.rounds} rounds. All images train; a calibration holds a fourth of them out.",
        table(["", "ms per image", "by plain inference"], rows),
    ]
    return "\n\n".join(parts) + "\n"


def write_report(found: Environment, source: str, times: EpochTimes, directory: Path, name: str) -> list[Path]:
    """Writes NAME.json and NAME.md."""
    directory.mkdir(parents=True, exist_ok=True)
    document = {"environment": asdict(found), "network": source, **asdict(times), "ratios": times.ratios}
    texts = {".json": json.dumps(document, indent=1) + "\n", ".md": markdown(found, source, times)}
    for suffix, text in texts.items():
        with atomic_path(directory / f"{name}{suffix}", _PHASE) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [directory / f"{name}{suffix}" for suffix in texts]


def main(arguments: Sequence[str]) -> None:
    """Measures what the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Measures what an epoch of calibration takes.",
    )
    parser.add_argument("--source", default="resnet18", help="of `zaponnx export`")
    parser.add_argument("--size", type=int, default=224, help="pixels of the images' sides")
    parser.add_argument("--images", type=int, default=16, help="how many")
    parser.add_argument("--threads", type=int, default=2, help="of ONNX Runtime and torch")
    parser.add_argument("--rounds", type=int, default=3, help="timed runs of each")
    parser.add_argument("--output", type=Path, default=_RESULTS, help="where results go")
    parser.add_argument("--name", help="of the results; 'calibration', the CPU and its instruction set if not given")
    options = parser.parse_args(arguments)
    found = environment(arguments, "benchmarks.calibration")
    with tempfile.TemporaryDirectory() as directory:
        model = Path(directory) / "model.onnx"
        export(options.source, model, input_shape=(1, 3, options.size, options.size), seed=0)  # weights are random
        images = synthetic_images(options.images, options.size, seed=0)
        times = epoch_times(model, images, options.threads, options.rounds)
    name = options.name or f"calibration-{found.machine}"
    for path in write_report(found, options.source, times, options.output, name):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
