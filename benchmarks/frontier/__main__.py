"""`python -m benchmarks.frontier`: measures frontiers, and writes results/frontier.json, frontier.md and frontier.png.

What is measured is kept in the cache, also when it is interrupted; the report has all that is asked for.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from benchmarks.environment import environment
from benchmarks.frontier.measuring import START, Frontier, Measuring
from benchmarks.frontier.methods import DEFAULT, METHODS, PLAIN, Finetuning
from benchmarks.frontier.networks import NETWORKS
from benchmarks.frontier.report import write_report
from zaponnx.progress import Progress

_ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str]) -> None:
    """Measures what the arguments ask for."""
    options = _parser().parse_args(arguments)
    start = time.monotonic()

    def say(step: str, done: int = 0, total: int | None = None) -> None:
        if done == 0:
            print(f"{time.monotonic() - start:5.0f} s  {step}", file=sys.stderr, flush=True)

    frontiers = [
        frontier
        for network in options.networks
        for frontier in _frontiers(network, options.methods, options.seeds, options.finetuned_seeds, options.cache, say)
    ]
    titles = {name: NETWORKS[name].title for name in options.networks}
    found = environment(arguments, "benchmarks.frontier")
    for path in write_report(frontiers, titles, found, options.output):
        print(path)


def _frontiers(
    network: str, methods: Sequence[str], seeds: int, finetuned_seeds: int, cache: Path, progress: Progress
) -> Iterator[Frontier]:
    """A network's, without fine-tuning and, of the default and the paper's pattern that is better without, with it.

    The paper's is fine-tuned in both ways.
    """
    begin: dict[tuple[str, Finetuning | None], float] = {}  # the goals at which the last seed lost as much as may be
    for seed in range(seeds):
        measuring = Measuring(NETWORKS[network], seed, cache, progress)
        untuned: dict[str, Frontier] = {}
        for method in methods:
            untuned[method] = measuring.frontier(method, begin=begin.get((method, None), START))
            begin[method, None] = untuned[method].goal
            yield untuned[method]
        plain = sorted(set(untuned).intersection(PLAIN), key=lambda method: untuned[method].saving)
        ways: list[tuple[str, Finetuning]] = [(method, way) for method in plain[-1:] for way in get_args(Finetuning)]
        for method, way in (*ways, (DEFAULT, "default")) if seed < finetuned_seeds else ():
            if method in untuned:
                start = begin.get((method, way), untuned[method].goal)
                tuned = measuring.frontier(method, finetuning=way, begin=start)
                begin[method, way] = tuned.goal
                yield tuned


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.frontier",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description=__doc__,
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="what to measure")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="in which ways")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    parser.add_argument("--finetuned-seeds", type=int, default=5, help="with how many of them to fine-tune, too")
    parser.add_argument("--cache", type=Path, default=_ROOT / "build" / "frontier", help="where files are kept")
    parser.add_argument("--output", type=Path, default=_ROOT / "benchmarks" / "results", help="where results go")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
