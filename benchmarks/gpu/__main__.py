"""`python -m benchmarks.gpu --library libzaponnx_cuda.so`: measures, and writes results/gpu-DEVICE.json and .md."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import torch

from benchmarks.gpu import sessions
from benchmarks.gpu.library import DEFAULT_ELEMENT_CHANNELS, PRECISIONS, Library, LibraryError
from benchmarks.gpu.measuring import Bench
from benchmarks.gpu.report import Machine, Results, write_results
from benchmarks.gpu.shapes import NETWORKS
from benchmarks.gpu.timing import ceilings
from benchmarks.points import read_points
from benchmarks.timing import Effort


def main(arguments: Sequence[str]) -> int:
    """Measures what the arguments ask for; returns the exit code, 1 if something was wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if problem := _problem(options):
        parser.error(problem)
    start = time.monotonic()
    if not torch.cuda.is_available():
        print(f"benchmarks.gpu: {no_gpu()}", file=sys.stderr)
        return 1
    try:
        library = Library(options.library.resolve())
    except LibraryError as error:
        print(f"benchmarks.gpu: {error}", file=sys.stderr)
        return 1
    effort = Effort(options.rounds, options.seconds)
    command = shlex.join(["python", "-m", "benchmarks.gpu", *arguments])
    date = datetime.now(UTC).isoformat(timespec="seconds")
    found = ceilings(options.precisions, effort)
    results = Results(Machine(library.device, versions(), command, date, found))
    bench = Bench(
        library=library,
        effort=effort,
        layers=not options.no_layers,
        element_channels=options.element_channels,
        expired=lambda: time.monotonic() - start > options.budget,
        device=torch.device("cuda", torch.cuda.current_device()),
    )
    points = read_points()
    for precision, batch, network in product(options.precisions, options.batches, options.networks):
        print(f"{time.monotonic() - start:5.0f} s  {network}, batch {batch}, {precision}", file=sys.stderr, flush=True)
        bench.network(network, NETWORKS[network](), points[network], batch, precision, results)
        write_results(results, options.output)  # what there is, should it be stopped
        torch.cuda.empty_cache()
    _sessions(options, effort, results)
    for path in write_results(results, options.output):
        print(path)
    for each in results.wrong:
        print(f"benchmarks.gpu: WRONG: {each}", file=sys.stderr)
    return 1 if results.wrong else 0


def _sessions(options: argparse.Namespace, effort: Effort, results: Results) -> None:
    """Times whole models, if there are any to be timed."""
    if options.models is None:
        return
    if reason := sessions.unavailable():
        results.left_out.append(f"ONNX Runtime: {reason}")
        return
    dense, converted, library = options.models
    for batch, tf32, graph in product(options.batches, (False, True), (False, True)):
        results.sessions.append(sessions.session_times(dense, converted, library, batch, tf32, graph, effort))


def no_gpu() -> str:
    """What is missing, and what to do."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; install one that is, on a machine with an NVIDIA GPU"
    found = f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no NVIDIA GPU"
    return f"{found}; check the driver, with nvidia-smi"


def versions() -> dict[str, str]:
    """Of what is measured with."""
    found = {"Python": platform.python_version(), "torch": torch.__version__, "CUDA": str(torch.version.cuda)}
    found["cuDNN"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call] # torch's
    try:
        import onnxruntime
    except ImportError:
        return found
    return {**found, "ONNX Runtime": onnxruntime.__version__}


def _problem(options: argparse.Namespace) -> str:
    """What is wrong with the arguments, "" if nothing is."""
    if options.library is None or not options.library.is_file():
        what = f"there is no {options.library}" if options.library else "no library is given"
        return f"{what}: give the path of libzaponnx_cuda.so, with --library or ZAPONNX_CUDA_LIBRARY"
    if options.models and (missing := [str(path) for path in options.models if not path.is_file()]):
        return f"there is no {missing[0]}: --models takes the dense model, the converted one and libzaponnx_ops.so"
    if min(options.batches) < 1 or options.rounds < 1:
        return "batches and rounds are at least 1"
    if not DEFAULT_ELEMENT_CHANNELS <= options.element_channels <= 64:
        return "--element-channels is from 0 to 64, or -1 for the library's default"
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", formatter_class=argparse.ArgumentDefaultsHelpFormatter, description=__doc__
    )
    named = os.environ.get("ZAPONNX_CUDA_LIBRARY")
    path = Path(named) if named else None
    parser.add_argument("--library", type=Path, default=path, help="the path of libzaponnx_cuda.so")
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS), help="what to measure")
    parser.add_argument("--no-layers", action="store_true", help="time the networks alone")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 64], help="images per run")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS), help="in this order")
    parser.add_argument("--rounds", type=int, default=20, help="timed runs of each contender, at most")
    parser.add_argument("--seconds", type=float, default=0.5, help="after which five of these runs are enough")
    parser.add_argument("--budget", type=float, default=270, help="seconds after which nothing more is begun")
    parser.add_argument(
        "--element-channels", type=int, default=DEFAULT_ELEMENT_CHANNELS, help="ZapConv's, as in zaponnx_cuda.h"
    )
    parser.add_argument(
        "--models",
        nargs=3,
        type=Path,
        metavar=("DENSE", "CONVERTED", "OPS"),
        help="to time in ONNX Runtime: two .onnx files and libzaponnx_ops.so",
    )
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "results", help="where results go")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
