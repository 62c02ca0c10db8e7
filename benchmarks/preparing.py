"""Makes what is timed, with zaponnx's own functions: a network → model.onnx, and converted at each of its points.

All files are kept in a directory of the cache that belongs to the network's settings. What is there is not made again,
except what was converted by another state of zaponnx.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import zaponnx
from benchmarks.cutting import without_classifier
from benchmarks.points import Point
from benchmarks.settings import SETTINGS, Images, Settings
from zaponnx import conversion
from zaponnx.artifact_files import load_calibration, save_calibration
from zaponnx.evaluation import ModelEvaluation
from zaponnx.files import sha256
from zaponnx.models import load_model, model_sha256, save_model
from zaponnx.progress import Progress, silent

TOLERANCE = 0.005
"""How far a measured saving may be from the point's, as a share of the predicted layers' MACs."""

_CONVERTED = ("*.zap.onnx*", "*.goal.json", "*.zapfit.json")
_ATTEMPTS = 5
_PHASE = "bench"


@dataclass(frozen=True)
class Converted:
    """A network's converted model.

    Attributes:
        point: What was wanted.
        model, calibration: The file, and the one with its predictors.
        goal: The saving that `zaponnx.convert` was asked for.
        saving: Share of the predicted layers' MACs that it skips on the first image; see `measured_saving`.
    """

    point: Point
    model: Path
    calibration: Path
    goal: float
    saving: float


@dataclass(frozen=True)
class Prepared:
    """A network, ready to be timed.

    Attributes:
        network: Its name.
        part: "whole", or "features" if it has lost its classifier.
        dense: Its model.
        converted: One for each point.
        images: What to time it on, (N, 3, H, W).
    """

    network: str
    part: str
    dense: Path
    converted: tuple[Converted, ...]
    images: Images


def prepare(network: str, points: Sequence[Point], cache: Path, progress: Progress = silent) -> list[Prepared]:
    """Exports, calibrates, fits and converts a network, whole and, if it has a large classifier, without that too.

    Both have the same layers: the smaller one is calibrated and the savings are measured with it.
    """
    settings = SETTINGS[network]
    directory = cache / f"{network}-{settings.digest}"
    images = settings.timed_images()
    dense = _dense_models(settings, directory, progress)
    _drop_outdated(directory)
    converted: dict[str, list[Converted]] = {part: [] for part in dense}
    *larger, smallest = dense.values()
    for point in points:
        calibration = _calibration(smallest, point)
        if not calibration.exists():
            _calibrate(smallest, settings, point.pattern, calibration, progress)
        for model in larger:
            _carry_over(calibration, model, _calibration(model, point))
        goal, saving = _goal(smallest, calibration, point, images[:1])
        for part, model in dense.items():
            progress(f"converting {network}, {part}, {point.name}", 0, None)
            converted[part].append(_converted(model, point, goal, saving))
    return [Prepared(network, part, model, tuple(converted[part]), images) for part, model in dense.items()]


def measured_saving(model: Path, calibration: Path, images: Images) -> float:
    """The share of the calibrated sites' MACs that a converted model skips on images; sites that stay dense count."""
    sites = load_calibration(calibration, _PHASE).sites
    layers = evaluated(model, {"input": images}).layers
    return sum(layer.macs * layer.mac_saved for layer in layers) / sum(site.macs for site in sites)


def evaluated(model: Path, inputs: Mapping[str, Images]) -> ModelEvaluation:
    """What `zaponnx.eval` says of a model on one batch of inputs."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "inputs.npz"
        np.savez(file, **inputs)  # type: ignore[arg-type] # none of the names is allow_pickle
        return zaponnx.eval([model], f"npz:{file}").models[0]


def _dense_models(settings: Settings, directory: Path, progress: Progress) -> dict[str, Path]:
    """Part → model, the largest first."""
    whole, features = (directory / part / "model.onnx" for part in ("whole", "features"))
    for path in (whole, features)[: 1 + settings.classifier]:
        path.parent.mkdir(parents=True, exist_ok=True)
    if not whole.exists():
        shape = (1, 3, settings.size, settings.size)
        zaponnx.export(settings.source, whole, input_shape=shape, seed=settings.seed, progress=progress)
    if not settings.classifier:
        return {"whole": whole}
    if not features.exists():
        save_model(without_classifier(load_model(whole, _PHASE)), features)
    return {"whole": whole, "features": features}


def _drop_outdated(directory: Path) -> None:
    """Removes what another state of zaponnx has fitted and converted."""
    record = directory / "zaponnx.sha256"
    current = sha256(*sorted(Path(conversion.__file__).parent.rglob("*.py")))
    if not record.exists() or record.read_text(encoding="utf-8") != current:
        for file in (file for kind in _CONVERTED for file in directory.rglob(kind)):
            file.unlink()
        record.write_text(current, encoding="utf-8")


def _calibration(dense: Path, point: Point) -> Path:
    return dense.with_name(f"{point.pattern}.zapcal")


def fit_of(calibration: Path) -> Path:
    """The calibration's fit, made if it is missing."""
    fit = calibration.with_suffix(".zapfit.json")
    if not fit.exists():
        zaponnx.fit(calibration, fit)
    return fit


def _calibrate(dense: Path, settings: Settings, pattern: str, output: Path, progress: Progress) -> None:
    zaponnx.calibrate(
        dense,
        settings.calibration_data(dense.parent),
        output,
        pattern=pattern,
        samples=settings.samples,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=settings.seed,
        refine_steps=0,  # times do not depend on what decides, at equal savings
        progress=progress,
    )


def _carry_over(calibration: Path, dense: Path, output: Path) -> None:
    """Makes the calibration of one part of a network that of another, which has the same layers."""
    if not output.exists():
        save_calibration(replace(load_calibration(calibration, _PHASE), model_sha256=model_sha256(dense)), output)


def _goal(dense: Path, calibration: Path, point: Point, images: Images) -> tuple[float, float]:
    """The saving to ask `zaponnx.convert` for, for the point's to be measured on the images, and the measured one.

    They differ, since what is zero depends on the image.
    """
    record = dense.with_name(f"{point.name}.goal.json")
    if not record.exists():
        goal = point.saving
        attempts = []
        with tempfile.TemporaryDirectory() as directory:
            model = Path(directory) / "model.onnx"
            for _ in range(_ATTEMPTS):
                zaponnx.convert(dense, calibration, fit_of(calibration), model, mac_saving=goal)
                saving = measured_saving(model, calibration, images)
                attempts.append((abs(saving - point.saving), goal, saving))
                if attempts[-1][0] <= TOLERANCE:
                    break
                goal = min(max(goal + point.saving - saving, 0.0), 1.0)
        record.write_text(json.dumps(min(attempts)[1:]), encoding="utf-8")
    goal, saving = json.loads(record.read_text(encoding="utf-8"))
    return goal, saving


def _converted(dense: Path, point: Point, goal: float, saving: float) -> Converted:
    calibration = _calibration(dense, point)
    fit = fit_of(calibration)
    model = dense.with_name(f"{point.name}.zap.onnx")
    if not model.exists():
        zaponnx.convert(dense, calibration, fit, model, mac_saving=goal)
    return Converted(point, model, calibration, goal, saving)
