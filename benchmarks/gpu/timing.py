"""Takes the time of contenders on the GPU, in turn, by its own clock, and measures what it can do at most.

Each contender is captured in a CUDA graph, several times in a row, so that no launch from the host is timed. In a row
the second-level cache is warm, for all contenders alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch

from benchmarks.gpu.peers import ELEMENTS, Run, precision_of_cudnn
from benchmarks.timing import Effort, Times, summary

Timed = Callable[[], float]
"""Runs a contender and gives its milliseconds."""

_LEAST_ROUNDS = 5
_GRAPH_MS = 1.0  # that a graph takes at least
_MOST_RUNS = 50  # in a graph
_WARMUP = 3
_GEMM = {"float32": 4096, "tf32": 8192, "float16": 8192}
_COPY_BYTES = 2**29


def interleaved(contenders: Mapping[str, Timed], effort: Effort) -> dict[str, Times]:
    """Times each contender once per round, each round beginning with the next one."""
    names = list(contenders)
    times: dict[str, list[float]] = {name: [] for name in names}
    begin = time.perf_counter()
    for done in range(effort.rounds):
        if done >= _LEAST_ROUNDS and time.perf_counter() - begin > effort.seconds:
            break
        for index in range(len(names)):
            name = names[(done + index) % len(names)]
            times[name].append(contenders[name]())
    return {name: summary(values) for name, values in times.items()}


def runs_in_graph(ms: float) -> int:
    """How often a run of so many milliseconds is repeated."""
    return min(_MOST_RUNS, max(1, math.ceil(_GRAPH_MS / max(ms, 1e-6))))


def captured(runs: Sequence[Run]) -> Timed:
    """Runs that follow each other, as a CUDA graph that repeats them."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch's
    stream.wait_stream(torch.cuda.current_stream())  # which has made the tensors
    with torch.cuda.stream(stream):
        for _ in range(_WARMUP):
            once = _by_events(lambda: [run() for run in runs])
    count = runs_in_graph(once)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(count):
            for run in runs:
                run()
    return lambda: _by_events(graph.replay) / count


def _by_events(run: Run) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call] # likewise
    begin.record()
    run()
    end.record()
    end.synchronize()
    elapsed: float = begin.elapsed_time(end)
    return elapsed


def ceilings(precisions: Sequence[str], effort: Effort) -> dict[str, float]:
    """By precision, the teraflops of a large matrix product; and as "bandwidth" the bytes of a copy, in TB/s."""
    found = {}
    for precision in precisions:
        size = _GEMM[precision]
        one, two = (torch.randn(size, size, device="cuda").to(ELEMENTS[precision]) for _ in range(2))
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        product = partial(torch.matmul, one, two, out=torch.empty_like(one))
        times = interleaved({"gemm": captured([product])}, effort)
        torch.backends.cuda.matmul.allow_tf32 = before
        found[precision] = 2 * size**3 / times["gemm"].low_ms / 1e9
    source = torch.empty(_COPY_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    times = interleaved({"copy": captured([lambda: target.copy_(source)])}, effort)
    return {**found, "bandwidth": 2 * _COPY_BYTES / times["copy"].low_ms / 1e9}


def timed(runs: Mapping[str, Sequence[Run]], precision: str, effort: Effort) -> dict[str, Times]:
    """Captures the contenders, each a sequence of runs, and times them in turn."""
    with precision_of_cudnn(precision):
        return interleaved({name: captured(each) for name, each in runs.items()}, effort)
