"""The commands behind a report: reads what it was given and what that records, gives lines that a shell takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.benchmark import Benchmark
from zaponnx.calib.report.contents import Missing
from zaponnx.calib.report.sources import Sources
from zaponnx.evaluation import Evaluation
from zaponnx.providers import CPU


@dataclass(frozen=True)
class Given:
    """The files and data that `report` was given, as its arguments."""

    model: Path
    output: Path
    calibration: Path | None
    fit: Path | None
    evaluations: tuple[Path, ...]
    benchmark: Path | None
    conversion: Path | None
    data: str | None
    samples: int
    preprocess: str | None


def commands(sources: Sources, given: Given) -> tuple[str, ...]:
    """The commands that make the files and the report anew, as far as the files record how they were made.

    They are for the directory of the model: files that are there are named from it, others by their names alone.
    """
    names = _Names.of(sources, given)
    made = [*_calibrate(sources, names), *_fit_and_convert(sources, names, given.conversion)]
    made += [_eval(each, names, file) for each, file in zip(sources.evaluations, given.evaluations, strict=True)]
    if sources.benchmark and given.benchmark:
        made.append(_bench(sources.benchmark, names, given.benchmark))
    return (*made, _report(given, names))


def missing(sources: Sources, given: Given) -> tuple[Missing, ...]:
    """What would be in the report if it were given, and the commands for it."""
    return tuple(_missing(sources, given))


@dataclass(frozen=True)
class _Names:
    """What the commands call the files."""

    directory: Path
    dense: str
    calibration: str
    fit: str
    model: str

    @classmethod
    def of(cls, sources: Sources, given: Given) -> _Names:
        directory = given.model.parent
        return cls(
            directory=directory,
            dense=_short(_dense(sources), directory),
            calibration=_short(given.calibration or Path("model.zapcal"), directory),
            fit=_short(given.fit or Path("model.zapfit.json"), directory),
            model=given.model.name,
        )

    def __call__(self, path: Path) -> str:
        return _short(path, self.directory)


def _short(path: Path, directory: Path) -> str:
    """A file as it is named from a directory: by the longest end of its path that is there, or by its name."""
    ends = (Path(*path.parts[start:]) for start in range(len(path.parts)))
    return str(next((end for end in ends if not end.is_absolute() and (directory / end).exists()), path.name))


def _dense(sources: Sources) -> Path:
    """The dense model's file, as far as something names it."""
    if sources.evaluation is not None and sources.evaluation[2] is not None:
        return sources.evaluation[2].path
    if sources.benchmark is not None and sources.benchmark.baseline_sha256 == sources.original_sha256:
        return sources.benchmark.baseline
    return Path("model.onnx")


def _calibrate(sources: Sources, names: _Names) -> Iterator[str]:
    settings = sources.calibration.settings if sources.calibration else {}
    if not settings:
        return
    recorded = ("data", "samples", "epochs", "batch_size", "training", "refine_steps", "preprocess", "seed")
    options = {name: settings.get(name) for name in (*recorded, "include", "exclude")}
    options |= {"include_first": settings.get("include_first"), "pattern": sources.metadata.get("pattern")}
    yield _command("calibrate", [names.dense], options | {"output": names.calibration})


def _fit_and_convert(sources: Sources, names: _Names, file: Path | None) -> Iterator[str]:
    fit = sources.fit
    if fit is None:
        return
    by_fit = fit.chosen if "chosen_for" in sources.metadata else None
    options: dict[str, Any]
    if fit.method != "imported":
        options = {name: getattr(fit, name) for name in ("method", "granularity", "objective", "block")}
        if by_fit:
            options |= by_fit.goal.to_json()
            used, under = by_fit.data, by_fit.conditions
            options |= {"model": names.dense, "data": used.data, "split": used.split} if used else {}
            options |= {"samples": used.samples if used else None, "threads": under.threads if under else None}
        yield _command("fit", [names.calibration], options | {"output": names.fit})
    # A point is found again by its error; a tuned one has another, within the same epsilon.
    epsilon = None if by_fit else sources.recorded[0] if "tuned" in sources.metadata else sources.recorded[1]
    options = {"calibration": names.calibration, "fit": names.fit, "epsilon": epsilon}
    if tuning := sources.conversion.tuning if sources.conversion else None:
        options |= {"tune": True, "data": tuning.data, "batch_size": tuning.batch_size, "threads": tuning.threads}
        options |= {"providers": tuning.device.rpartition(", ")[2] or None}
    yield _command("convert", [names.dense], options | {"output": names.model}, file and Path(names(file)))


def _eval(evaluation: Evaluation, names: _Names, file: Path) -> str:
    options = {
        "data": evaluation.data,
        "split": evaluation.split,
        "samples": evaluation.samples,
        "preprocess": evaluation.preprocess,
        "portable": evaluation.portable,
        "providers": _providers(evaluation.providers),
    }
    models = [names(model.path) for model in evaluation.models]
    return _command("eval", models, options, Path(names(file)))


def _bench(benchmark: Benchmark, names: _Names, file: Path) -> str:
    shapes = [f"{name}:{','.join(map(str, shape))}" for name, shape in benchmark.input_shapes.items()]
    options = {
        "baseline": names(benchmark.baseline),
        "threads": ",".join(str(run.threads) for run in benchmark.runs),
        "iterations": benchmark.iterations,
        "warmup": benchmark.warmup,
        "input_shapes": shapes,
        "providers": _providers(benchmark.providers),
    }
    return _command("bench", [names(benchmark.model)], options, Path(names(file)))


def _providers(providers: Sequence[str]) -> str | None:
    return None if tuple(providers) == (CPU,) else ",".join(providers)


def _report(given: Given, names: _Names) -> str:
    files = {"calibration": given.calibration, "fit": given.fit, "bench": given.benchmark, "convert": given.conversion}
    options = {name: None if file is None else names(file) for name, file in files.items()}
    data = {"data": given.data, "samples": given.samples, "preprocess": given.preprocess} if given.data else {}
    evaluations = [names(file) for file in given.evaluations]
    return _command("report", [names.model], {**options, "eval": evaluations, **data, "output": names(given.output)})


def _missing(sources: Sources, given: Given) -> Iterator[Missing]:
    names, data = _Names.of(sources, given), _data(sources, given)
    page = f"{given.model.stem}.html"

    def report(**options: str) -> str:
        return _command("report", [names.model], {**options, "output": page})

    evaluating = _command("eval", [names.dense, names.model], {"data": data}, Path("eval.json"))
    evaluating = f"{evaluating} && {report(eval='eval.json')}"
    evaluation = sources.evaluation
    if evaluation is None:
        yield Missing("work", "the work that was saved on real data", evaluating)
    if evaluation is None or evaluation[1].top1 is None or evaluation[2] is None or evaluation[2].top1 is None:
        yield Missing("accuracy", "the accuracy before and after, on data with labels", evaluating)
    if sources.benchmark is None:
        timing = _command("bench", [names.model], {"baseline": names.dense}, Path("bench.json"))
        yield Missing("time", "the time before and after", f"{timing} && {report(bench='bench.json')}")
    if sources.conversion is None or sources.conversion.tuning is None:
        what = (
            "each layer's time, and why a layer was left dense" if sources.conversion is None else "each layer's time"
        )
        options = {"tune": True, "epsilon": sources.recorded[0], "data": data, "output": "tuned.zap.onnx"}
        tuning = _command("retune", [names.model], options, Path("tuned.json"))
        showing = _command("report", ["tuned.zap.onnx"], {"convert": "tuned.json", "output": "tuned.html"})
        yield Missing("layer times", what, f"{tuning} && {showing}")
    if sources.calibration_file is None:
        what = "error and MACs as functions of the threshold"
        yield Missing("curves", what, report(calibration=names.calibration))
    if given.data is None:
        yield Missing("maps", "where prediction hits and misses on real images", report(data=data))
    if sources.fit is None:
        yield Missing("frontier", "the operating points", report(fit=names.fit))


def _data(sources: Sources, given: Given) -> str:
    """Data that suit the model: those that were given, evaluated on or calibrated on."""
    evaluated = sources.evaluation[0].data if sources.evaluation else None
    return given.data or evaluated or sources.metadata.get("calibration_data", "SPEC")


def _command(name: str, arguments: Sequence[str], options: Mapping[str, Any], result: Path | None = None) -> str:
    """A command line; options that are None or False are left out, a list gives one several times.

    Args:
        name: The command's.
        arguments: Its arguments.
        options: Its options, with underscores as in Python.
        result: The file that takes what --json prints; None does without.
    """
    words = [*arguments]
    for key, value in options.items():
        option = f"--{key.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [word for each in (value if isinstance(value, list) else [value]) for word in (option, str(each))]
    printed = "" if result is None else f" --json > {shlex.quote(str(result))}"
    return f"zaponnx {name} {shlex.join(words)}{printed}"
