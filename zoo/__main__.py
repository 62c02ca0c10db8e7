"""`python -m zoo`: covers networks, and writes docs/coverage.json and docs/coverage.md; 1 if anything is wrong."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from zaponnx.machine import versions
from zoo.coverage import Row, cover
from zoo.networks import NETWORKS, Network
from zoo.report import write_report

_DOCS = Path(__file__).parents[1] / "docs"


def main(arguments: Sequence[str]) -> int:
    """Covers what the arguments ask for."""
    options = _parser().parse_args(arguments)
    networks = [network for network in NETWORKS if re.search(options.networks, network.label)]
    if not networks:
        print(f"no network matches '{options.networks}'", file=sys.stderr)
        return 2
    start = time.monotonic()
    rows = []
    with _mapping(options.jobs) as mapping:
        for network, row in zip(networks, mapping(cover, networks), strict=True):
            print(f"{time.monotonic() - start:5.0f} s  {network.label}", file=sys.stderr, flush=True)
            for problem in row.problems:
                print(f"         WRONG: {problem}", file=sys.stderr, flush=True)
            rows.append(row)
    for path in write_report(rows, versions(), options.output):
        print(path)
    return int(any(row.problems for row in rows))


@contextmanager
def _mapping(jobs: int) -> Iterator[Callable[[Callable[[Network], Row], Iterable[Network]], Iterable[Row]]]:
    """Yields a map() that runs in some processes, or in this one."""
    if jobs == 1:
        yield map
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        yield pool.map


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zoo", formatter_class=argparse.ArgumentDefaultsHelpFormatter, description=__doc__
    )
    parser.add_argument("--networks", default="", help="a regular expression for their names, as in 'light_|:dynamo'")
    parser.add_argument("--jobs", type=int, default=2, help="how many to cover at a time, in up to 3 GB of memory each")
    parser.add_argument("--output", type=Path, default=_DOCS, help="where the report goes")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
