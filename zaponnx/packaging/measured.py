"""What was measured of a packaged model: reads what `eval --json` and `bench --json` print, for manifest and card.

Both are known to be of a model by its hash, so that numbers of another model never get into a package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.artifact_files import written_by
from zaponnx.errors import ArtifactError
from zaponnx.json_fields import Fields, parse_json


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
class TimedRun:
    """Median milliseconds per inference with one number of threads, and baseline_ms / model_ms."""

    threads: int
    baseline_ms: float
    model_ms: float
    speedup: float


@dataclass(frozen=True)
class Speed:
    """What `bench` measured, and on what: as in `zaponnx.benchmark.Benchmark`."""

    runs: tuple[TimedRun, ...]
    cpu: str
    cores: int
    providers: tuple[str, ...]
    input_shapes: Mapping[str, tuple[int, ...]]
    iterations: int
    warmup: int
    versions: Mapping[str, str]


@written_by("eval --json")
def read_evaluation(file: Path, phase: str) -> dict[str, Accuracy]:
    """The accuracies of all models in a file of `eval --json`, by the models' hashes.

    Raises:
        ArtifactError: The file cannot be read or is none of these.
    """
    fields = _parsed(file, phase)
    measured: dict[str, dict[str, Any]] = {}
    notes = fields.lines("notes")
    for model in fields.objects("models"):
        name = f"{model.text('path')} "
        own = tuple(note.removeprefix(name) for note in notes if note.startswith(name))
        measured[model.text("sha256")] = {"model": _scores(model), **_savings(model), "notes": own}
        model.rest()  # such as each layer
    if not measured:
        fields.refuse("models", "are none")
    conditions = _conditions(fields) | {"baseline": next(iter(measured.values()))["model"]}
    fields.done()
    return {sha256: Accuracy(**conditions, **each) for sha256, each in measured.items()}


@written_by("bench --json")
def read_benchmark(file: Path, phase: str) -> dict[str, Speed]:
    """The times of the model in a file of `bench --json`, by its hash.

    Raises:
        ArtifactError: The file cannot be read or is none of these.
    """
    fields = _parsed(file, phase)
    sha256 = fields.text("model_sha256")
    for key in ("model", "baseline", "baseline_sha256"):
        fields.text(key)
    return {sha256: speed_of(fields)}


def _parsed(file: Path, phase: str) -> Fields:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ArtifactError(phase, f"cannot be read: {error.strerror}", where=str(file)) from error
    return parse_json(content, phase, str(file))


def accuracy_of(fields: Fields) -> Accuracy:
    """An accuracy as a manifest has it."""
    accuracy = Accuracy(
        baseline=_member(fields, "baseline"),
        model=_member(fields, "model"),
        notes=tuple(fields.lines("notes")),
        **_conditions(fields),
        **_savings(fields),
    )
    fields.done()
    return accuracy


def _conditions(fields: Fields) -> dict[str, Any]:
    """What all models of an evaluation have in common."""
    return {
        "data": fields.line("data"),
        "split": None if fields.absent("split") else fields.line("split"),
        "samples": fields.integer("samples"),
        "providers": tuple(fields.lines("providers")),
        "portable": fields.truth("portable"),
    }


def _member(fields: Fields, key: str) -> Scores:
    member = fields.object(key)
    scores = _scores(member)
    member.done()
    return scores


def _scores(fields: Fields) -> Scores:
    return Scores(*(None if fields.absent(key) else fields.number(key, 0, 1) for key in ("top1", "top5")))


def _savings(fields: Fields) -> dict[str, Any]:
    return {"mac_saved": fields.number("mac_saved", 0, 1), "net_mac_saved": fields.number("net_mac_saved", high=1)}


def speed_of(fields: Fields) -> Speed:
    """Times as a manifest has them."""
    runs = []
    for run in fields.objects("runs"):
        milliseconds = (run.number(key, low=0) for key in ("baseline_ms", "model_ms", "speedup"))
        runs.append(TimedRun(run.integer("threads"), *milliseconds))
        run.done()
    shapes, versions = fields.object("input_shapes"), fields.object("versions")
    speed = Speed(
        runs=tuple(runs),
        cpu=fields.line("cpu"),
        cores=fields.integer("cores"),
        providers=tuple(fields.lines("providers")),
        input_shapes={name: tuple(shapes.integers(name)) for name in shapes.names()},
        iterations=fields.integer("iterations"),
        warmup=fields.integer("warmup", low=0),
        versions={name: versions.line(name) for name in versions.names()},
    )
    fields.done()
    return speed
