"""Measures time: reads a model and its baseline, gives the medians of interleaved runs for each number of threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.errors import InvalidArgument, ModelError
from zaponnx.machine import check_threads, cpu_cores, cpu_name, versions
from zaponnx.models import load_model, model_sha256
from zaponnx.progress import Progress, silent
from zaponnx.providers import Provider
from zaponnx.runtime import open_session, ort_errors, register_for, session_options

_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}

_GIVE_SHAPES = "give one that suits the model, with --input-shapes NAME:N,..."

Inputs = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class BenchmarkRun:
    """Times with one number of threads.

    Attributes:
        threads: ORT's threads within an operator.
        baseline_ms, model_ms: Median milliseconds per inference.
        speedup: baseline_ms / model_ms; above 1 the model is faster.
        speedup_low, speedup_high: The quartiles of that ratio over the pairs of runs: half of them lie between.
    """

    threads: int
    baseline_ms: float
    model_ms: float
    speedup: float
    speedup_low: float
    speedup_high: float

    @classmethod
    def of(cls, threads: int, baseline: Sequence[float], model: Sequence[float]) -> BenchmarkRun:
        """From the milliseconds of each run; the i-th of both are a pair."""
        baseline_ms, model_ms = float(np.median(baseline)), float(np.median(model))
        low, high = np.quantile(np.divide(baseline, model), (0.25, 0.75)).tolist()
        return cls(threads, baseline_ms, model_ms, baseline_ms / model_ms, low, high)

    @property
    def spread(self) -> str:
        """The speed-up and its quartiles as people are shown them, as in "1.57× (1.52–1.61)"."""
        return f"{self.speedup:.2f}× ({self.speedup_low:.2f}–{self.speedup_high:.2f})"


@dataclass(frozen=True)
class Benchmark:
    """What was measured, and on what.

    Attributes:
        model, baseline: The files.
        runs: In the order of the numbers of threads that were asked for.
        cpu: The machine's processor.
        cores: So many it has.
        providers: The session's providers.
        input_shapes: Input name → shape of the random input.
        iterations: Timed inferences of each model.
        warmup: Inferences of each model before these.
        versions: Of Python and the packages.
        model_sha256, baseline_sha256: The models' hashes, see docs/artifacts.md.
    """

    model: Path
    baseline: Path
    runs: tuple[BenchmarkRun, ...]
    cpu: str
    cores: int
    providers: tuple[str, ...]
    input_shapes: Mapping[str, tuple[int, ...]]
    iterations: int
    warmup: int
    versions: Mapping[str, str]
    model_sha256: str
    baseline_sha256: str

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx bench --json` prints it."""
        return {**asdict(self), "model": str(self.model), "baseline": str(self.baseline)}


def bench(
    model: Path | str,
    baseline: Path | str,
    *,
    threads: Sequence[int] = (1, 2),
    iterations: int = 100,
    warmup: int = 10,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    providers: Sequence[Provider] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Benchmark:
    """Times a model against its baseline on the same random input, in one process, run by run in turn.

    Args:
        model: The converted model.
        baseline: The dense model.
        threads: Numbers of threads to measure with.
        iterations: Timed inferences of each model.
        warmup: Inferences of each model before those.
        input_shapes: Input name → shape, where the model's own has dynamic dims; a dynamic batch is 1 by default.
        providers: As in `zaponnx.InferenceSession`.
        seed: Of the input.
        progress: Called between timed inferences.

    Raises:
        InvalidArgument: A number below 1 (`warmup`: 0), too many threads, a wrong input shape or name, or an unknown
            provider.
        ModelError: A model cannot be read or run, or the two differ in inputs or in their outputs' shapes.
        RuntimeUnavailable: ORT, the library or a provider is missing.
    """
    model, baseline = Path(model), Path(baseline)
    for name, least, values in (("threads", 1, threads), ("iterations", 1, [iterations]), ("warmup", 0, [warmup])):
        if not values or min(values) < least:
            raise InvalidArgument("bench", f"{name} is {', '.join(map(str, values))}, and must be at least {least}")
    check_threads("bench", threads)
    paths = (baseline, model)
    for path in paths:
        load_model(path, "bench")
    runs = []
    for count in threads:
        step = f"timing with {count} thread{'s' * (count > 1)}"
        progress(step, 0, iterations)
        sessions = [open_session(path, timing_options(count, providers), providers, "bench") for path in paths]
        inputs = _random_inputs(sessions[0], input_shapes or {}, seed)
        _check_alike(sessions, inputs, paths)
        times = interleaved_times(sessions, [inputs], iterations, warmup, partial(progress, step, total=iterations))
        runs.append(BenchmarkRun.of(count, *times))
    return Benchmark(
        model=model,
        baseline=baseline,
        runs=tuple(runs),
        cpu=cpu_name(),
        cores=cpu_cores(),
        providers=tuple(sessions[0].get_providers()),
        input_shapes={name: array.shape for name, array in inputs.items()},
        iterations=iterations,
        warmup=warmup,
        versions=versions(),
        model_sha256=model_sha256(model, "bench"),
        baseline_sha256=model_sha256(baseline, "bench"),
    )


def timing_options(threads: int, providers: Sequence[Provider] | None = None) -> Any:
    """Session options for sessions on providers that are timed in turn, with zaponnx's operators."""
    options = session_options(threads=threads)
    # The idle session's threads would otherwise go on spinning for a while on the cores of the one that is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    register_for(options, providers)
    return options


def interleaved_times(
    sessions: Sequence[Any],
    feeds: Sequence[Mapping[str, npt.NDArray[Any]]],
    iterations: int,
    warmup: int,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[float], list[float]]:
    """Milliseconds of each run of two sessions, run in turn, the first of each pair alternating.

    Args:
        sessions: The two.
        feeds: The inputs; each pair of runs takes the next ones, over and over.
        iterations: Runs of each session that are timed.
        warmup: Runs of each before those.
        progress: Called after each pair of timed runs, with their number.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for iteration in range(warmup + iterations):
        for index in (0, 1) if iteration % 2 else (1, 0):
            start = time.perf_counter()
            sessions[index].run(None, feeds[iteration % len(feeds)])
            times[index].append((time.perf_counter() - start) * 1e3)
        if iteration >= warmup:
            progress(iteration - warmup + 1)
    return times[0][warmup:], times[1][warmup:]


def _random_inputs(session: Any, shapes: Mapping[str, Sequence[int]], seed: int) -> Inputs:
    """Standard normal values for every input of a session."""
    generator = np.random.default_rng(seed)
    known = [node.name for node in session.get_inputs()]
    for name in shapes:
        if name not in known:
            raise InvalidArgument("bench", f"there is no input '{name}'", remedy=f"the inputs are {', '.join(known)}")
    inputs = {}
    for node in session.get_inputs():
        where = f"input '{node.name}'"
        if node.type not in _FLOATS:
            raise ModelError("bench", f"random inputs are floats, and the model wants {node.type}", where=where)
        shape = tuple(shapes.get(node.name) or _own_shape(node.shape, where))
        if min(shape, default=1) < 1:
            raise InvalidArgument("bench", f"shape {shape} has a dim below 1", where=where)
        fits = len(shape) == len(node.shape) and all(
            not isinstance(own, int) or own == dim for own, dim in zip(node.shape, shape, strict=True)
        )
        if not fits:
            problem = f"shape {shape} is not of the model's form ({', '.join(map(str, node.shape))})"
            raise InvalidArgument("bench", problem, where=where, remedy=_GIVE_SHAPES)
        inputs[node.name] = generator.standard_normal(shape).astype(_FLOATS[node.type])
    return inputs


def _own_shape(dims: Sequence[int | str | None], where: str) -> list[int]:
    shape = [1 if axis == 0 and not isinstance(dim, int) else dim for axis, dim in enumerate(dims)]
    fixed = [dim for dim in shape if isinstance(dim, int)]
    if len(fixed) < len(shape):
        problem = f"has dynamic dims besides the batch: {list(dims)}"
        raise InvalidArgument("bench", problem, where=where, remedy=_GIVE_SHAPES)
    return fixed


def _check_alike(sessions: Sequence[Any], inputs: Inputs, paths: Sequence[Path]) -> None:
    """Raises ModelError if the two do not take the same inputs and give outputs of the same names and shapes."""
    signatures = []
    for session, path in zip(sessions, paths, strict=True):
        names = [node.name for node in session.get_inputs()]
        if names != list(inputs):
            problem = f"has the inputs {', '.join(names)}, not {', '.join(inputs)} as the baseline"
            raise ModelError("bench", problem, where=str(path))
        try:
            with ort_errors("bench", str(path)):
                outputs = session.run(None, inputs)
        except ModelError as error:
            given = ", ".join(f"'{name}' of shape {array.shape}" for name, array in inputs.items())
            problem = f"does not run with inputs {given}: {error.problem}"
            raise ModelError("bench", problem, where=str(path), remedy=_GIVE_SHAPES) from error
        nodes = session.get_outputs()
        signatures.append({node.name: np.shape(array) for node, array in zip(nodes, outputs, strict=True)})
    if signatures[0] != signatures[1]:
        problem = f"gives outputs {signatures[1]}, and the baseline {signatures[0]}"
        raise ModelError("bench", problem, where=str(paths[1]))
