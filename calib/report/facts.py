"""How a model and its measurements were made: reads the sources, gives facts, commands, and what is missing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zaponnx.artifacts import SINGLE
from zaponnx.calib.report.contents import Missing
from zaponnx.calib.report.sources import Sources

Facts = dict[str, str]


def facts(sources: Sources) -> dict[str, Facts]:
    """For each step what is known of it, by the step's name."""
    found = {"Model": _model(sources), "Calibration": _calibration(sources), "Fit": _fit(sources)}
    if sources.conversion and (tuning := sources.conversion.tuning):
        found["Tuning"] = {
            "machine": f"{tuning.machine}, {tuning.cores} cores, {tuning.threads} threads used",
            "data": f"{tuning.data}, {tuning.batches} batches of {tuning.batch_size}",
            "runs": f"{tuning.pairs} pairs for each measurement",
            "versions": _versions(tuning.versions),
        }
    for number, evaluation in enumerate(sources.evaluations, start=1):
        name = "Evaluation" if len(sources.evaluations) == 1 else f"Evaluation {number}"
        found[name] = {
            "data": f"{evaluation.data} ({evaluation.split})" if evaluation.split else evaluation.data,
            "samples": str(evaluation.samples),
            "models": ", ".join(model.path.name for model in evaluation.models),
            "run by": ", ".join(evaluation.providers) + (", without the library" if evaluation.portable else ""),
            **({"note": "; ".join(evaluation.notes)} if evaluation.notes else {}),
        }
    if bench := sources.benchmark:
        shapes = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in bench.input_shapes.items())
        found["Benchmark"] = {
            "machine": f"{bench.cpu}, {bench.cores} cores",
            "inputs": f"random, {shapes}",
            "runs": f"medians of {bench.iterations} in turn after {bench.warmup}",
            "run by": ", ".join(bench.providers),
            "versions": _versions(bench.versions),
        }
    return {name: fact for name, fact in found.items() if fact}


def commands(sources: Sources, report: str) -> tuple[str, ...]:
    """The commands that made the files, with what these record; `report` is the report's own."""
    dense = _dense(sources)
    made = []
    if calibration := _settings(sources):
        given = {
            "data": calibration.get("data"),
            "samples": calibration.get("samples"),
            "epochs": calibration.get("epochs"),
            "pattern": sources.metadata.get("pattern"),
            "training": calibration.get("training"),
            "preprocess": calibration.get("preprocess"),
            "seed": calibration.get("seed"),
        }
        made.append(_command("calibrate", dense, given | {"output": "model.zapcal"}))
    if fit := sources.fit:
        chosen = {name: getattr(fit, name) for name in ("method", "granularity", "objective", "block")}
        if fit.method != "imported":
            made.append(_command("fit", "model.zapcal", chosen | {"output": "model.zapfit.json"}))
        given = {"calibration": "model.zapcal", "fit": "model.zapfit.json", "output": sources.path.name}
        tuning = sources.conversion.tuning if sources.conversion else None
        tuned = f" --tune --data {shlex.quote(tuning.data)} --threads {tuning.threads}" if tuning else ""
        if tuning and tuning.device:
            tuned += f" --providers {tuning.device.rpartition(', ')[2]}"
        made.append(_command("convert", dense, given | {"epsilon": sources.metadata.get("epsilon")}) + tuned)
    for evaluation in sources.evaluations:
        models = shlex.join(model.path.name for model in evaluation.models)
        made.append(
            f"zaponnx eval {models} --data {shlex.quote(evaluation.data)} --samples {evaluation.samples} --json"
        )
    if bench := sources.benchmark:
        given = {
            "baseline": bench.baseline.name,
            "threads": ",".join(str(run.threads) for run in bench.runs),
            "iterations": bench.iterations,
            "warmup": bench.warmup,
        }
        made.append(f"{_command('bench', sources.path.name, given)} --json")
    return (*made, report)


def missing(sources: Sources, with_data: bool) -> tuple[Missing, ...]:
    """What would be in the report if it were given, and the commands for it."""
    model, dense = shlex.quote(sources.path.name), shlex.quote(_dense(sources))
    evaluating = f"zaponnx eval {dense} {model} --data SPEC --json > eval.json"
    found = []

    def lack(part: str, what: str, command: str, option: str) -> None:
        found.append(Missing(part, what, f"{command}  # then report with {option}" if command else option))

    evaluation = sources.evaluation
    if evaluation is None:
        lack("work", "the work that was saved on real data", evaluating, "--eval eval.json")
    if evaluation is None or evaluation[1].top1 is None or evaluation[2] is None or evaluation[2].top1 is None:
        lack("accuracy", "the accuracy before and after", evaluating, "--eval eval.json")
    if sources.benchmark is None:
        command = f"zaponnx bench {model} --baseline {dense} --json > bench.json"
        lack("time", "the time before and after", command, "--bench bench.json")
    if sources.conversion is None:
        command = (
            f"zaponnx convert {dense} --calibration model.zapcal --fit model.zapfit.json "
            "-o tuned.zap.onnx --epsilon E --tune --data SPEC --json > convert.json"
        )
        lack(
            "layer times",
            "each layer's time, and why a layer was left dense",
            command,
            "--convert convert.json on tuned.zap.onnx",
        )
    elif sources.conversion.tuning is None:
        command = "zaponnx convert … -o tuned.zap.onnx --tune --json > convert.json"
        lack("layer times", "each layer's time", command, "--convert convert.json on tuned.zap.onnx")
    if sources.calibration_file is None:
        option = f"zaponnx report {model} --calibration FILE, the calibration that it was converted with"
        lack("curves", "error and MACs as functions of the threshold", "", option)
    if not with_data:
        command = f"zaponnx report {model} --data SPEC -o report.html"
        lack("maps", "where prediction hits and misses on real images", "", command)
    if sources.fit is None:
        option = f"zaponnx report {model} --fit FILE, the fit that it was converted with"
        lack("frontier", "the operating points", "", option)
    return tuple(found)


def _dense(sources: Sources) -> str:
    """The dense model's file, as far as something names it."""
    if sources.evaluation is not None and sources.evaluation[2] is not None:
        return sources.evaluation[2].path.name
    if sources.benchmark is not None and sources.benchmark.baseline_sha256 == sources.original_sha256:
        return sources.benchmark.baseline.name
    return "model.onnx"


def _model(sources: Sources) -> Facts:
    inspection, metadata = sources.inspection, sources.metadata
    converted = sum(layer.status == "converted" for layer in inspection.layers)
    found = {
        "file": sources.path.name,
        "SHA-256": sources.sha256,
        "of the dense model": sources.original_sha256,
        "opset, IR version": f"{inspection.opset}, {inspection.ir_version}",
        "convolutions": f"{len(inspection.layers)}, {converted} of them ZapConv",
        "pattern": metadata.get("pattern", ""),
        "operating point": f"epsilon {sources.recorded[0]:.4g}, error {sources.recorded[1]:.4g}",
        "fine-tuned": metadata.get("finetuned", ""),
        "zaponnx": metadata.get("version", ""),
    }
    return {name: value for name, value in found.items() if value}


def _calibration(sources: Sources) -> Facts:
    found = {name.replace("_", " "): str(value) for name, value in _settings(sources).items() if value is not None}
    digest = sources.metadata.get("calibration_sha256")
    return found | ({"SHA-256": digest} if digest else {})


def _settings(sources: Sources) -> Mapping[str, Any]:
    return sources.calibration.settings if sources.calibration else {}


def _fit(sources: Sources) -> Facts:
    fit = sources.fit
    if fit is None:
        return {}
    return {
        "method": fit.method,
        "thresholds": f"one per {fit.granularity}",
        "objective": fit.objective,
        "operating points": str(len(fit.points)),
        **({"counted as saved": f"blocks of {fit.block} outputs"} if fit.block != SINGLE else {}),
    }


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _command(name: str, argument: str | Path, options: Mapping[str, Any]) -> str:
    given = [part for key, value in options.items() if value is not None for part in (f"--{key}", str(value))]
    return f"zaponnx {name} {shlex.join([str(argument), *given])}"
