"""What was measured of a packaged model: reads what `eval --json` and `bench --json` print, for manifest and card.

Both are known to be of a model by its hash, so that numbers of another model never get into a package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from zaponnx.benchmark import Benchmark, BenchmarkRun
from zaponnx.errors import ArtifactError
from zaponnx.evaluation import Evaluation
from zaponnx.json_fields import Fields
from zaponnx.results import read_result


@dataclass(frozen=True)
class Scores:
    """Accuracies, 0 to 1; None for data without labels."""

    top1: float | None
    top5: float | None


@dataclass(frozen=True)
class Accuracy:
    """What `eval` measured.

    Attributes:
        data, split, samples: The data, their part, None where they have none, and how many samples that was.
        providers: ONNX Runtime's.
        portable: Whether the function bodies ran instead of the library.
        baseline, model: The scores of the baseline, which was evaluated first, and of the model.
        mac_saved, net_mac_saved: Share of its ZapConvs' MACs that was skipped, gross and net of the predictors.
        notes: What was done with the model on the same data before, each as what follows its name.
    """

    data: str
    split: str | None
    samples: int
    providers: tuple[str, ...]
    portable: bool
    baseline: Scores
    model: Scores
    mac_saved: float
    net_mac_saved: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Speed:
    """What `bench` measured, and on what: as in `zaponnx.benchmark.Benchmark`."""

    runs: tuple[BenchmarkRun, ...]
    cpu: str
    cores: int
    providers: tuple[str, ...]
    input_shapes: Mapping[str, tuple[int, ...]]
    iterations: int
    warmup: int
    versions: Mapping[str, str]


def read_evaluation(file: Path, phase: str) -> dict[str, Accuracy]:
    """The accuracies of all models in a file of `eval --json`, by the models' hashes.

    Raises:
        ArtifactError: The file cannot be read or is none of these.
    """
    found = read_result(Evaluation, file, "eval", phase)
    if not found.models:
        raise ArtifactError(phase, "has no models", where=str(file), remedy="give what zaponnx eval --json printed")
    baseline = found.models[0]
    return {
        model.sha256: Accuracy(
            data=found.data,
            split=found.split,
            samples=found.samples,
            providers=found.providers,
            portable=found.portable,
            baseline=Scores(baseline.top1, baseline.top5),
            model=Scores(model.top1, model.top5),
            mac_saved=model.mac_saved,
            net_mac_saved=model.net_mac_saved,
            notes=tuple(
                note.removeprefix(f"{model.path} ") for note in found.notes if note.startswith(f"{model.path} ")
            ),
        )
        for model in found.models
    }


def read_benchmark(file: Path, phase: str) -> dict[str, Speed]:
    """The times of the model in a file of `bench --json`, by its hash.

    Raises:
        ArtifactError: The file cannot be read or is none of these.
    """
    found = read_result(Benchmark, file, "bench", phase)
    return {found.model_sha256: Speed(**{field.name: getattr(found, field.name) for field in fields(Speed)})}


def accuracy_of(read: Fields) -> Accuracy:
    """An accuracy as a manifest has it."""
    accuracy = Accuracy(
        data=read.line("data"),
        split=None if read.absent("split") else read.line("split"),
        samples=read.integer("samples"),
        providers=tuple(read.lines("providers")),
        portable=read.truth("portable"),
        baseline=_scores(read.object("baseline")),
        model=_scores(read.object("model")),
        mac_saved=read.number("mac_saved", 0, 1),
        net_mac_saved=read.number("net_mac_saved", high=1),
        notes=tuple(read.lines("notes")),
    )
    read.done()
    return accuracy


def _scores(read: Fields) -> Scores:
    scores = Scores(*(None if read.absent(key) else read.number(key, 0, 1) for key in ("top1", "top5")))
    read.done()
    return scores


def speed_of(read: Fields) -> Speed:
    """Times as a manifest has them."""
    shapes, versions = read.object("input_shapes"), read.object("versions")
    speed = Speed(
        runs=tuple(map(_run, read.objects("runs"))),
        cpu=read.line("cpu"),
        cores=read.integer("cores"),
        providers=tuple(read.lines("providers")),
        input_shapes={name: tuple(shapes.integers(name)) for name in shapes.names()},
        iterations=read.integer("iterations"),
        warmup=read.integer("warmup", low=0),
        versions={name: versions.line(name) for name in versions.names()},
    )
    read.done()
    return speed


def _run(read: Fields) -> BenchmarkRun:
    times = {field.name: read.number(field.name, low=0) for field in fields(BenchmarkRun) if field.name != "threads"}
    run = BenchmarkRun(threads=read.integer("threads"), **times)
    read.done()
    return run
