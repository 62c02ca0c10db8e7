"""`python -m zoo`: covers networks, and writes docs/coverage.json and docs/coverage.md; 1 if anything is wrong."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from operator import attrgetter
from pathlib import Path

from zaponnx.machine import versions
from zoo.coverage import Row, cover
from zoo.kept import KeptRows
from zoo.networks import NETWORKS, Network
from zoo.report import write_report

_ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str]) -> int:
    """Covers what the arguments ask for."""
    options = _parser().parse_args(arguments)
    networks = [network for network in NETWORKS if re.search(options.networks, network.label)]
    if not networks:
        print(f"no network matches '{options.networks}'", file=sys.stderr)
        return 2
    kept = KeptRows(options.kept)
    rows = {network.label: row for network in networks if (row := kept.read(network))}
    if rows:
        print(f"{len(rows)} of {len(networks)} were done before, by the same code", file=sys.stderr, flush=True)
    # One exporter after the other, so that the two exports of a giant are not in memory at once.
    missing = sorted((network for network in networks if network.label not in rows), key=attrgetter("origin"))
    start = time.monotonic()
    for network, row in _covered(missing, options.jobs):
        if not row.problems:
            kept.write(network, row)
        rows[network.label] = row
        print(f"{time.monotonic() - start:5.0f} s  {network.label}  {row.memory} MiB", file=sys.stderr, flush=True)
    ordered = [rows[network.label] for network in networks]
    for row in ordered:
        for problem in row.problems:
            print(f"WRONG: {row.network} ({row.origin}): {problem}", file=sys.stderr)
    for path in write_report(ordered, versions(), options.output):
        print(path)
    return int(any(row.problems for row in ordered))


def _covered(networks: Sequence[Network], jobs: int) -> Iterator[tuple[Network, Row]]:
    """Yields rows as they are done, each by a process of its own, whose memory is then given back."""
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=1)
    try:
        running = {pool.submit(cover, network): network for network in networks}
        for future in as_completed(running):
            yield running[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zoo", formatter_class=argparse.ArgumentDefaultsHelpFormatter, description=__doc__
    )
    parser.add_argument("--networks", default="", help="a regular expression for their names, as in 'light_|:dynamo'")
    parser.add_argument("--jobs", type=int, default=2, help="how many to cover at a time, in up to 3 GB of memory each")
    parser.add_argument("--output", type=Path, default=_ROOT / "docs", help="where the report goes")
    parser.add_argument(
        "--kept", type=Path, default=_ROOT / "build" / "coverage", help="where the rows of finished networks are kept"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
