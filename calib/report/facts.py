"""How a model and its measurements were made: reads the sources, gives what is known of each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zaponnx.artifacts import SINGLE
from zaponnx.calib.report.sources import Sources
from zaponnx.evaluation import Evaluation

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
            "note": _notes(evaluation),
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
    return {step: {name: value for name, value in fact.items() if value} for step, fact in found.items() if fact}


def _notes(evaluation: Evaluation) -> str:
    """What was done with the models on the same data before, each with the models' names."""
    models: dict[str, list[str]] = {}
    for model in evaluation.models:
        for note in evaluation.notes_on(model):
            models.setdefault(note, []).append(model.path.name)
    return "; ".join(f"{note} ({', '.join(names)})" for note, names in models.items())


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
    return found


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
