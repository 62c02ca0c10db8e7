"""`python -m benchmarks`: measures, and writes results/NAME.json and NAME.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.environment import environment
from benchmarks.kernels import kernel_results
from benchmarks.layers import distinct_layers
from benchmarks.measuring import Bench
from benchmarks.memory import session_costs
from benchmarks.peers import PEERS
from benchmarks.points import read_points
from benchmarks.preparing import Prepared, prepare
from benchmarks.report import Results, write_report
from benchmarks.timing import Effort
from benchmarks.tuning import tuned

_ROOT = Path(__file__).parents[1]
_PARTS = ("networks", "tuned", "layers", "batches", "concurrent", "sessions", "kernels")
_BATCHES = {"resnet18": (8, 32)}
_CONCURRENT_SESSIONS = 2
_SESSION_REPETITIONS = 3


def main(arguments: Sequence[str]) -> None:
    """Measures what the arguments ask for."""
    points = read_points()
    options = _parser(list(points)).parse_args(arguments)
    start = time.monotonic()

    def say(step: str, done: int = 0, total: int | None = None) -> None:
        if done == 0:
            print(f"{time.monotonic() - start:5.0f} s  {step}", file=sys.stderr, flush=True)

    results = Results(environment(arguments))
    peers = [peer for peer in PEERS if peer not in results.environment.missing]
    bench = Bench(peers, Effort(options.rounds, options.seconds), options.cache)
    say("kernels")
    shape = "" if "kernels" in options.parts else "none but the peak"
    patterns = sorted({point.pattern for network in options.networks for point in points[network]})
    results.kernels.extend(kernel_results(_ROOT / "build" / "native", options.threads, patterns, shape))
    for network in options.networks:
        parts = prepare(network, points[network], options.cache, say)
        _measure(network, parts, bench, options, results, say)
        paths = write_report(results, points, options.output, options.name or results.environment.machine)
    for path in paths:
        print(path)


def _parser(networks: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", formatter_class=argparse.ArgumentDefaultsHelpFormatter, description=__doc__
    )
    parser.add_argument("--networks", nargs="+", choices=networks, default=networks, help="what to measure")
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS, help="what of it")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="with how many threads")
    parser.add_argument("--rounds", type=int, default=Effort.rounds, help="timed runs of each contender, at most")
    parser.add_argument("--seconds", type=float, default=Effort.seconds, help="after which five runs are enough")
    parser.add_argument("--cache", type=Path, default=_ROOT / "build" / "bench", help="where models are kept")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks" / "results", help="where results go")
    parser.add_argument("--name", help="of the results; the CPU and its instruction set if not given")
    return parser


def _measure(
    network: str,
    parts: Sequence[Prepared],
    bench: Bench,
    options: argparse.Namespace,
    results: Results,
    say: Callable[[str], None],
) -> None:
    """Adds a network's measurements to the results; all but the first without the classifier."""
    smallest = parts[-1]
    if "networks" in options.parts:
        for prepared in parts:
            for threads in options.threads:
                say(f"{network}, {prepared.part}, {threads} threads")
                results.networks.append(bench.network(prepared, threads))
    models = {each.point.name: each.model for each in smallest.converted}
    pairs = [(converted, threads) for converted in smallest.converted for threads in options.threads]
    for converted, threads in pairs if "tuned" in options.parts else ():
        name = f"{converted.point.name} tuned, {threads} threads"
        say(f"{network}, {name}")
        results.tuned.append(bench.tuned(smallest, converted, threads))
        models[name] = results.tuned[-1].model.model
    if "layers" in options.parts:
        with tempfile.TemporaryDirectory() as directory:
            for layer in distinct_layers(smallest, Path(directory)):
                for threads in options.threads:
                    say(f"{network}, {layer.shape}, {threads} threads")
                    results.layers.append(bench.layer(smallest, layer, threads))
    if "batches" in options.parts:
        for batch in _BATCHES.get(network, ()):
            for threads in options.threads:
                say(f"{network}, batch {batch}, {threads} threads")
                results.batches.append(bench.network(smallest, threads, batch))
            for converted, threads in pairs if "tuned" in options.parts else ():
                say(f"{network}, batch {batch}, {converted.point.name} tuned, {threads} threads")
                results.tuned.append(bench.tuned(smallest, converted, threads, batch))
    if "concurrent" in options.parts:
        say(f"{network}, {_CONCURRENT_SESSIONS} sessions")
        results.concurrent.append(bench.concurrent(smallest, models, _CONCURRENT_SESSIONS))
    if "sessions" in options.parts:
        for prepared in parts:
            label = f"{network}, {prepared.part}"
            say(f"{label}, memory and creation of a session")
            models = {each.point.name: each.model for each in prepared.converted}
            if "tuned" in options.parts:
                for each in prepared.converted:
                    models[f"{each.point.name} tuned"] = tuned(prepared, each, options.threads[0]).model
            results.sessions[label] = session_costs({"dense": prepared.dense, **models}, _SESSION_REPETITIONS)


if __name__ == "__main__":
    main(sys.argv[1:])
