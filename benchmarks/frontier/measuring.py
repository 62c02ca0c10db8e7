"""Measures frontiers: a network, a method and a seed → operating points with what they save and score on test images.

Every step writes a file to the cache and is not done again: calibrations, which methods share, fits and points.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import zaponnx
from benchmarks.frontier.crossing import saving_at
from benchmarks.frontier.methods import METHODS, Finetuning
from benchmarks.frontier.networks import Network
from zaponnx.artifact_files import load_calibration, load_fit
from zaponnx.evaluation import ModelEvaluation
from zaponnx.files import atomic_path
from zaponnx.progress import Progress, silent

DROP = 0.01
"""The top-1 that may be lost."""

START = 0.3
"""The goal to begin with where nothing is known; up and down from there the others follow."""

_GOALS = [step / 20 for step in range(1, 16)]  # of MACs saved, of which pattern E leaves four fifths
_REFINED = 1  # more points, each where as much seems to be lost as may be
_PHASE = "frontier"


@dataclass(frozen=True)
class Point:
    """A converted model on the test images.

    Attributes:
        goal: The share of the sites' MACs that was to be saved.
        saved: The share that was, gross of the predictors.
        top1: Accuracy, 0 to 1.
    """

    goal: float
    saved: float
    top1: float


@dataclass(frozen=True)
class Frontier:
    """What a method gives with one seed.

    Attributes:
        network, method: Their names.
        seed: Of the predictors, and of the images for calibration and test.
        finetuning: How the weights were fine-tuned at every point, None if they were not.
        dense: Top-1 of the dense model.
        points: By ascending goal.
    """

    network: str
    method: str
    seed: int
    finetuning: Finetuning | None
    dense: float
    points: tuple[Point, ...]

    @property
    def saving(self) -> float:
        """The share of MACs saved where DROP is lost; what the last point saves if none loses as much."""
        return saving_at(DROP, [point.saved for point in self.points], self.lost)

    @property
    def lost(self) -> list[float]:
        """Top-1 lost at the points."""
        return [self.dense - point.top1 for point in self.points]

    @property
    def goal(self) -> float:
        """What to ask `zaponnx.convert` for, to save that."""
        saved = [0.0, *(point.saved for point in self.points)]
        return float(np.interp(self.saving, saved, [0.0, *(point.goal for point in self.points)]))


class Measuring:
    """One network with one seed.

    Args:
        network: The network.
        seed: Of everything.
        cache: Where files are kept.
        progress: Told about every step.
    """

    def __init__(self, network: Network, seed: int, cache: Path, progress: Progress = silent) -> None:
        self._network = network
        self._seed = seed
        self._cache = cache
        self._progress = progress
        self._model = network.model(cache, progress)

    def frontier(self, method: str, *, finetuning: Finetuning | None = None, begin: float = START) -> Frontier:
        """That of a method, from less to more than DROP lost, and closest where DROP is.

        Args:
            method: Its name.
            finetuning: How to fine-tune the weights at every point, None for not at all.
            begin: About the goal at which DROP is lost, if nothing has been measured that tells.
        """
        goals = self._goals(method)
        known = self._known(method, finetuning)
        if known.points and min(known.lost) <= DROP < max(known.lost):
            begin = known.goal
        start = int(np.argmin(np.abs(np.array(goals) - begin)))
        for goal in goals[start:]:
            result = self._with_point(method, goal, finetuning)
            if max(result.lost) > DROP:
                break
        for goal in reversed(goals[:start]):
            if min(result.lost) <= DROP:
                break
            result = self._with_point(method, goal, finetuning)
        refined = sum(point.goal not in goals for point in result.points)
        for _ in range(refined, _REFINED if max(result.lost) > DROP else 0):
            result = self._with_point(method, round(result.goal, 4), finetuning)
        return result

    def _goals(self, method: str) -> list[float]:
        """Those that the fit can meet: the paper's thresholds are bounded, and so is what they save.

        A fit's last point, where only the patterns are computed, is none that its method has chosen.
        """
        *chosen, _ = load_fit(self._fitted(method)[1], _PHASE).points
        most = max(point.mac_saved for point in chosen)
        return [*(goal for goal in _GOALS if goal < most), *([most] if most < _GOALS[-1] else [])]

    def _with_point(self, method: str, goal: float, finetuning: Finetuning | None) -> Frontier:
        """What has been measured of a frontier, with this point."""
        points = list(self._known(method, finetuning).points)
        if goal not in [point.goal for point in points]:
            self._say(f"{method}, {goal:.0%} to be saved, fine-tuning: {finetuning or 'none'}")
            points.append(self._point(method, goal, finetuning))
            points.sort(key=lambda point: point.goal)
            _write(self._record(method, finetuning), [asdict(point) for point in points])
        return self._known(method, finetuning)

    def _known(self, method: str, finetuning: Finetuning | None) -> Frontier:
        """What has been measured of a frontier."""
        record = self._record(method, finetuning)
        points = [Point(**entry) for entry in json.loads(record.read_text(encoding="utf-8"))] if record.exists() else []
        return Frontier(self._network.name, method, self._seed, finetuning, self._dense(), tuple(points))

    def _record(self, method: str, finetuning: Finetuning | None) -> Path:
        return self._file(f"{method}{'' if finetuning is None else f'-finetuned-{finetuning}'}", ".points.json")

    def _point(self, method: str, goal: float, finetuning: Finetuning | None) -> Point:
        calibration, fit = self._fitted(method)
        with tempfile.TemporaryDirectory() as directory:
            model = Path(directory) / "model.zap.onnx"
            zaponnx.convert(self._model, calibration, fit, model, mac_saving=goal)
            if finetuning is not None:
                converted, model = model, model.with_name("tuned.zap.onnx")
                data = self._network.data("train", self._seed, self._cache)
                settings = METHODS[method].published if finetuning == "published" else self._network.finetuning
                zaponnx.finetune(converted, data, model, seed=self._seed, **settings)
            found = self._evaluated(model)
        assert found.top1 is not None
        sites = load_calibration(calibration, _PHASE).sites
        # Sites that skip nothing have stayed dense, and count.
        skipped = math.fsum(layer.macs * layer.mac_saved for layer in found.layers)
        return Point(goal, skipped / math.fsum(site.macs for site in sites), found.top1)

    def _fitted(self, name: str) -> tuple[Path, Path]:
        """The calibration, which methods share, and the fit, both made if they are missing."""
        method = METHODS[name]
        made = "-".join(["calibrated", *map(_in_file_name, method.calibration.items())])
        calibration, fit = self._file(made, ".zapcal"), self._file(name, ".zapfit.json")
        if not calibration.exists():
            self._say(made)
            data = self._network.data("calibration", self._seed, self._cache)
            zaponnx.calibrate(self._model, data, calibration, seed=self._seed, **method.calibration)
        if not fit.exists():
            zaponnx.fit(calibration, fit, **method.fit)
        return calibration, fit

    def _dense(self) -> float:
        """Top-1 of the dense model."""
        record = self._file("dense", ".json")
        if not record.exists():
            _write(record, self._evaluated(self._model).top1)
        top1: float = json.loads(record.read_text(encoding="utf-8"))
        return top1

    def _evaluated(self, model: Path) -> ModelEvaluation:
        return zaponnx.eval([model], self._network.data("test", self._seed, self._cache)).models[0]

    def _file(self, name: str, suffix: str) -> Path:
        return self._model.with_name(f"{name}-{self._seed}{suffix}")

    def _say(self, step: str) -> None:
        self._progress(f"{self._network.name}, seed {self._seed}, {step}", 0, None)


def _in_file_name(keyword: tuple[str, Any]) -> str:
    """A text by its value alone, as the paper's training and patterns are; anything else by its name, too."""
    name, value = keyword
    return value if isinstance(value, str) else f"{name}-{value}"


def _write(path: Path, value: Any) -> None:
    with atomic_path(path, _PHASE) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
