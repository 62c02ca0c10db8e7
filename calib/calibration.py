"""calibrate: reads a model and images, writes a calibration: predictors and the histograms that all curves follow from.

Every fourth sample is held out from training; the histograms are measured on these alone, so that the curves hold for
images that the predictors have not seen. Labels are not used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch

from zaponnx.artifact_files import save_calibration
from zaponnx.artifacts import Calibration, Predictor, SiteCalibration
from zaponnx.calib.capture import Capture
from zaponnx.calib.data import Batch, DataSource, open_data
from zaponnx.calib.histograms import SiteHistogram, bin_edges
from zaponnx.calib.predictors import PredictorTrainer, pattern_mask, predict
from zaponnx.errors import DataError, InvalidArgument, ModelError
from zaponnx.files import require_directory
from zaponnx.graph.finding import find_sites
from zaponnx.graph.site import Site
from zaponnx.models import load_model, model_sha256
from zaponnx.patterns import Pattern
from zaponnx.progress import Progress, silent

_HOLD_OUT = 4  # one sample of so many measures the curves, the others train
_STEP_SAMPLES = 8  # at most, per optimiser step: a sample has thousands of outputs, and small data sets need the steps


@dataclass(frozen=True)
class Preset:
    """Defaults for the amount of work: passes over the data, and at most how many samples (None: all)."""

    epochs: int
    samples: int | None


PRESETS = {"default": Preset(epochs=5, samples=None), "quick": Preset(epochs=2, samples=256)}


def calibrate(
    model: Path,
    data: str,
    output: Path,
    *,
    pattern: str = "B",
    samples: int | None = None,
    epochs: int | None = None,
    batch_size: int = 128,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    seed: int = 0,
    preset: str = "default",
    preprocess: str | None = None,
    include_first: bool = False,
    progress: Progress = silent,
) -> Calibration:
    """Trains a predictor for every site of a model and measures how well it predicts.

    Args:
        model: The dense ONNX model.
        data: A data SPEC, see `zaponnx.calib.data`.
        output: The calibration file to write.
        pattern: The computation pattern: A, B, C, D or rows such as 10/01.
        samples: Use at most so many samples; the preset's if None.
        epochs: Passes over the data; the preset's if None.
        batch_size: Samples per run of the model.
        include: Regular expressions; only sites whose name one of them finds are calibrated, all if there are none.
        exclude: Regular expressions; sites whose name one of them finds are not.
        seed: Of the predictors' weights and of the order of samples within a batch.
        preset: "default" (5 epochs, all samples) or "quick" (2 epochs, at most 256 samples).
        preprocess: Normalisation of images, see `open_data`.
        include_first: Whether the network's first conv can be a site.
        progress: Told about samples done, per pass.

    Raises:
        InvalidArgument: An unknown pattern, preset, SPEC or path; a regular expression that is none or finds nothing.
        ModelError: The model cannot be read or run, or has no sites.
        DataError: The data do not suit the model, are fewer than four samples, or give NaN.
    """
    if preset not in PRESETS:
        raise InvalidArgument("calibrate", f"unknown preset '{preset}'", remedy=f"use one of {', '.join(PRESETS)}")
    epochs = PRESETS[preset].epochs if epochs is None else epochs
    samples = PRESETS[preset].samples if samples is None else samples
    if epochs < 1:
        raise InvalidArgument("calibrate", f"epochs is {epochs}, and must be at least 1")
    require_directory(output, "calibrate")
    tile = Pattern.parse(pattern)
    dense = load_model(model, "calibrate")
    sites = _selected(dense, include, exclude, include_first)
    source = open_data(
        data, dense, split="calibration", samples=samples, batch_size=batch_size, preprocess=preprocess, seed=seed
    )
    run = _Run(Capture(dense, sites), source, tile, progress)
    predictors = run.train([site.channels for site in sites], epochs, seed)
    measured = run.measure(sites, predictors)
    calibration = Calibration(
        model_sha256=model_sha256(model, "calibrate"),
        pattern=tile,
        edges=bin_edges(),
        sites=tuple(measured),
        settings={
            "data": data,
            "preprocess": preprocess,
            "samples": run.samples,
            "samples_measured": measured[0].samples,
            "hold_out": f"every {_HOLD_OUT}th sample is measured and not trained on",
            "epochs": epochs,
            "preset": preset,
            "batch_size": source.batch_size,
            "step_samples": _STEP_SAMPLES,
            "seed": seed,
            "torch": torch.__version__,
        },
    )
    save_calibration(calibration, output)
    return calibration


def _selected(
    model: onnx.ModelProto, include: Sequence[str], exclude: Sequence[str], include_first: bool
) -> list[Site]:
    """The sites that the regular expressions leave; each expression must find one."""
    sites, refusals = find_sites(model, include_first=include_first)
    if not sites:
        reason = f", the first because {refusals[0].reason}" if refusals else ""
        problem = f"the model has no place for a predictor: {len(refusals)} Conv nodes were refused{reason}"
        raise ModelError("calibrate", problem, remedy="see the reasons with zaponnx inspect")
    kept = _found(sites, include, "include") if include else {site.output for site in sites}
    kept -= _found(sites, exclude, "exclude")
    if not kept:
        raise InvalidArgument("calibrate", "include and exclude leave no site", remedy="loosen the expressions")
    return [site for site in sites if site.output in kept]


def _found(sites: Sequence[Site], expressions: Sequence[str], option: str) -> set[str]:
    """The outputs of the sites whose name an expression finds."""
    found: set[str] = set()
    for expression in expressions:
        try:
            matches = {site.output for site in sites if re.search(expression, site.name)}
        except re.error as error:
            problem = f"--{option} '{expression}' is no regular expression ({error})"
            raise InvalidArgument("calibrate", problem) from error
        if not matches:
            names = ", ".join(site.name for site in sites)
            raise InvalidArgument("calibrate", f"--{option} '{expression}' matches none of the sites: {names}")
        found |= matches
    return found


class _Run:
    """The passes over the data; `samples` counts those of a pass once one is done."""

    def __init__(self, capture: Capture, source: DataSource, pattern: Pattern, progress: Progress) -> None:
        self._capture = capture
        self._source = source
        self._pattern = pattern
        self._progress = progress
        self.samples = 0

    def train(self, channels: Sequence[int], epochs: int, seed: int) -> list[Predictor]:
        """Trains a predictor per site on the samples that are not held out."""
        trainer = PredictorTrainer(channels, self._pattern, seed)
        generator = np.random.default_rng(seed)
        for epoch in range(epochs):
            for batch in self._batches(f"training the predictors, epoch {epoch + 1}/{epochs}", held_out=False):
                outputs = self._outputs(batch)
                order = generator.permutation(batch.size)
                for chosen in np.array_split(order, math.ceil(batch.size / _STEP_SAMPLES)):
                    trainer.step([output[chosen] for output in outputs])
        return trainer.predictors()

    def measure(self, sites: Sequence[Site], predictors: Sequence[Predictor]) -> list[SiteCalibration]:
        """The predictors' histograms over the samples that are held out."""
        histograms = [SiteHistogram(site, bin_edges()) for site in sites]
        for batch in self._batches("measuring the curves", held_out=True):
            for output, predictor, histogram in zip(self._outputs(batch), predictors, histograms, strict=True):
                mask = pattern_mask(self._pattern, output)
                histogram.add(output, predict(predictor, output, mask), mask)
        return [histogram.result(predictor) for histogram, predictor in zip(histograms, predictors, strict=True)]

    def _outputs(self, batch: Batch) -> list[torch.Tensor]:
        return [torch.from_numpy(output) for output in self._capture.run(batch)]

    def _batches(self, step: str, *, held_out: bool) -> Iterator[Batch]:
        """The part of every batch that is held out, or the rest."""
        seen = 0
        for batch in self._source:
            positions = np.arange(seen, seen + batch.size)
            seen += batch.size
            part = batch.take((positions % _HOLD_OUT == _HOLD_OUT - 1) == held_out)
            if part.size:
                yield part
            self._progress(step, seen, self._source.length)
        self.samples = seen
        if seen < _HOLD_OUT:
            problem = f"{seen} samples are too few: every {_HOLD_OUT}th is held out to measure the curves"
            raise DataError("calibrate", problem, where=self._source.spec, remedy=f"give at least {_HOLD_OUT} samples")
