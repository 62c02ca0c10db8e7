"""`python -m benchmarks.conversion`: what converting large models takes; results/conversion-NAME.json and .md.

Each model is exported or made, calibrated on a few random inputs, fitted, and converted in a process of its own. What
a conversion takes does not depend on what the predictors have learned.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import zaponnx
from benchmarks.conversion_cost import ConversionCost, conversion_cost
from benchmarks.environment import Environment, environment
from benchmarks.large import write_large_model
from benchmarks.tables import at_most, table
from zaponnx.artifact_files import load_calibration, save_calibration
from zaponnx.files import atomic_path
from zaponnx.models import external_files, load_model, model_sha256, save_model

SECONDS = 30.0
EMBEDDED, EXTERNAL = 4.5, 2.0
"""What a conversion may take at most: time, and memory by the size of the model's files."""

_ROOT = Path(__file__).parents[1]
_MEGABYTE = 2**20
_LARGE = 2250 * _MEGABYTE
"""Bytes of weights that no protobuf file holds."""
_SAMPLES = 4
_PHASE = "bench"


@dataclass(frozen=True)
class Result:
    """One conversion.

    Attributes:
        model: What was converted.
        size_mb: MiB of its files.
        limit: The memory that the conversion may add, by that size.
        cost: What it took.
    """

    model: str
    size_mb: float
    limit: float
    cost: ConversionCost

    @property
    def ratio(self) -> float:
        """The memory that the conversion added, by the size of the model's files."""
        return self.cost.peak_mb / self.size_mb


def main(arguments: Sequence[str]) -> None:
    """Measures what the arguments ask for."""
    options = _parser().parse_args(arguments)
    found = environment(arguments, "benchmarks.conversion")
    options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.cache) as directory:
        results = conversions(options.source, options.large, Path(directory), _sayer())
    for path in write_report(found, results, options.output, options.name or f"conversion-{found.machine}"):
        print(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.conversion",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Measures what conversions take.",
    )
    parser.add_argument("--source", default="benchmarks.networks:vgg16", help="of `zaponnx export`")
    parser.add_argument("--large", type=int, default=_LARGE, help="bytes of the largest model's weights")
    parser.add_argument("--cache", type=Path, default=_ROOT / "build" / "bench", help="where models are for a while")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks" / "results", help="where results go")
    parser.add_argument("--name", help="of the results; 'conversion', the CPU and its instruction set if not given")
    return parser


def _sayer() -> Callable[[str], None]:
    start = time.monotonic()
    return lambda step: print(f"{time.monotonic() - start:5.0f} s  {step}", file=sys.stderr, flush=True)


def conversions(source: str, large: int, directory: Path, say: Callable[[str], None]) -> list[Result]:
    """Converts a network with embedded weights and with external ones, and a model of any size.

    Args:
        source: The network's, as in `zaponnx.export`.
        large: Bytes of the other model's weights.
        directory: Where all files go.
        say: Told about each step.
    """
    embedded, external, largest = (directory / name for name in ("embedded.onnx", "external.onnx", "largest.onnx"))
    say(f"making {source}")
    zaponnx.export(source, embedded, input_shape=(1, 3, 224, 224), seed=0)
    _calibrate(embedded)
    save_model(load_model(embedded, _PHASE), external, external_data=True)
    calibration = load_calibration(_calibration(embedded), _PHASE)
    save_calibration(replace(calibration, model_sha256=model_sha256(external)), _calibration(external))
    zaponnx.fit(_calibration(external), _fit(external))
    say("making the largest model")
    write_large_model(largest, large)
    _calibrate(largest)
    network = source.rpartition(":")[2]
    cases = (
        (f"{network}, weights embedded", embedded, EMBEDDED),
        (f"{network}, external data", external, EXTERNAL),
        ("two convolutions and one matrix, external data", largest, EXTERNAL),
    )
    results = []
    for name, model, limit in cases:
        say(name)
        size = sum(file.stat().st_size for file in (model, *external_files(model))) / _MEGABYTE
        cost = conversion_cost(model, _calibration(model), _fit(model), model.with_suffix(".zap.onnx"))
        results.append(Result(name, size, limit, cost))
    return results


def _calibrate(model: Path) -> None:
    """Writes a model's artifacts beside it."""
    zaponnx.calibrate(model, "random", _calibration(model), samples=_SAMPLES, epochs=1, batch_size=1, refine_steps=0)
    zaponnx.fit(_calibration(model), _fit(model))


def _calibration(model: Path) -> Path:
    return model.with_suffix(".zapcal")


def _fit(model: Path) -> Path:
    return model.with_suffix(".zapfit.json")


def write_report(found: Environment, results: Sequence[Result], directory: Path, name: str) -> list[Path]:
    """Writes NAME.json and NAME.md."""
    directory.mkdir(parents=True, exist_ok=True)
    document = {"environment": asdict(found), "conversions": [asdict(result) for result in results]}
    texts = {".json": json.dumps(document, indent=1) + "\n", ".md": markdown(found, results)}
    for suffix, text in texts.items():
        with atomic_path(directory / f"{name}{suffix}", _PHASE) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [directory / f"{name}{suffix}" for suffix in texts]


def markdown(found: Environment, results: Sequence[Result]) -> str:
    """The report for people."""
    packages = ", ".join(f"{package} {version}" for package, version in found.versions.items())
    rows = [
        [
            result.model,
            f"{result.size_mb:.0f}",
            str(result.cost.sites),
            at_most(result.cost.seconds, SECONDS),
            f"{result.cost.peak_mb:.0f}",
            at_most(result.ratio, result.limit),
            f"{result.cost.process_peak_mb:.0f}",
        ]
        for result in results
    ]
    header = ["", "MiB", "ZapConvs", "seconds", "peak MiB", "by its size", "with Python"]
    parts = [
        "# Conversion",
        f"{found.cpu}, {found.cores} cores; {packages}.",
        f"`{found.command}`, {found.date}, commit {found.commit}.",
        "Each model is converted by `zaponnx.convert` in a process of its own, checks included. MiB are those of its "
        "files; the peak is of resident memory, pages of mapped files included, above what the process has with "
        "everything imported. ≤ and > compare with what a conversion may take.",
        table(header, rows),
    ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
