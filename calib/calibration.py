"""calibrate: reads a model and images, writes a calibration: predictors and the histograms that all curves follow from.

Every fourth sample is held out from training; the histograms are measured on these alone, so that the curves hold for
images that the predictors have not seen. Labels are not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zaponnx.artifact_files import save_calibration
from zaponnx.artifacts import Calibration, Predictor, SiteCalibration
from zaponnx.calib.capture import Capture
from zaponnx.calib.data import DataSource, open_data
from zaponnx.calib.histograms import SiteHistogram, bin_edges
from zaponnx.calib.predictors import PredictorTrainer, pattern_mask, predict
from zaponnx.calib.selection import selected_sites
from zaponnx.errors import DataError, InvalidArgument
from zaponnx.files import check_output
from zaponnx.graph.site import Site
from zaponnx.models import external_files, load_model, model_sha256
from zaponnx.patterns import Pattern
from zaponnx.progress import Progress, silent

_HOLD_OUT = 4  # one sample of so many measures the curves, the others train
_STEPS_PER_PASS = 32  # enough of them matter more than their samples, of which each has thousands of outputs ...
_LEAST_STEP = 8  # ... but a step needs so many samples


@dataclass(frozen=True)
class Preset:
    """Defaults for the amount of work: passes over the data, and at most how many samples (None: all)."""

    epochs: int
    samples: int | None


PRESETS = {"default": Preset(epochs=5, samples=None), "quick": Preset(epochs=2, samples=256)}


def calibrate(
    model: Path | str,
    data: str,
    output: Path | str,
    *,
    pattern: str = "B",
    samples: int | None = None,
    epochs: int | None = None,
    batch_size: int = 128,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
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
        batch_size: Samples per optimiser step, as in the method. Where a pass has too few samples for 32 such steps,
            the steps are smaller, but not below 8; with `py` data they never are, since nobody knows their number
            before a pass. The calibration's settings have the size as `step_samples`.
        include: Regular expressions; only sites whose name one of them finds are calibrated, all if there are none.
        exclude: Regular expressions; sites whose name one of them finds are not.
        seed: Of the predictors' weights and of the order of the samples within each `batch_size` of them.
        preset: "default" (5 epochs, all samples) or "quick" (2 epochs, at most 256 samples).
        preprocess: Normalisation of images, see `open_data`.
        include_first: Whether the network's first conv can be a site.
        progress: Told about samples done, per pass.

    Raises:
        InvalidArgument: An unknown pattern, preset, SPEC or path; a regular expression that is none or finds nothing.
        ModelError: The model cannot be read or run, or has no sites.
        DataError: The data do not suit the model, are fewer than four samples, or give NaN.
    """
    model, output = Path(model), Path(output)
    if preset not in PRESETS:
        raise InvalidArgument("calibrate", f"unknown preset '{preset}'", remedy=f"use one of {', '.join(PRESETS)}")
    epochs = PRESETS[preset].epochs if epochs is None else epochs
    samples = PRESETS[preset].samples if samples is None else samples
    if epochs < 1:
        raise InvalidArgument("calibrate", f"epochs is {epochs}, and must be at least 1")
    argument = data.partition(":")[2]  # a file, or a script's file and its function
    inputs = [model, *external_files(model, "calibrate"), Path(argument), Path(argument.rpartition(":")[0])]
    check_output(output, "calibrate", inputs)
    tile = Pattern.parse(pattern)
    dense = load_model(model, "calibrate")
    sites = selected_sites(dense, include, exclude, include_first)
    source = open_data(
        data, dense, split="calibration", samples=samples, batch_size=batch_size, preprocess=preprocess, seed=seed
    )
    step_samples = _step_samples(source.length, batch_size)
    run = _Run(Capture(dense, sites, where=str(model)), source, tile, seed, progress)
    predictors = run.train(PredictorTrainer([site.channels for site in sites], tile, seed, step_samples), epochs)
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
            "batch_size": batch_size,
            "step_samples": step_samples,
            "seed": seed,
            "torch": torch.__version__,
        },
    )
    save_calibration(calibration, output)
    return calibration


def _step_samples(length: int | None, batch_size: int) -> int:
    """Samples per optimiser step: `batch_size`, or fewer, down to 8, where a pass has not enough of them for 32 steps.

    `length`, the samples per pass, is None where only a pass can tell.
    """
    if length is None:
        return batch_size
    training = length - length // _HOLD_OUT
    return min(batch_size, max(_LEAST_STEP, training // _STEPS_PER_PASS))


class _Run:
    """The passes over the data; `samples` counts those of a pass once one is done."""

    def __init__(self, capture: Capture, source: DataSource, pattern: Pattern, seed: int, progress: Progress) -> None:
        self._capture = capture
        self._source = source
        self._pattern = pattern
        self._progress = progress
        self._generator = np.random.default_rng(seed)
        self.samples = 0

    def train(self, trainer: PredictorTrainer, epochs: int) -> list[Predictor]:
        """Trains a predictor per site on the samples that are not held out."""
        for epoch in range(epochs):
            for outputs in self._outputs(f"training the predictors, epoch {epoch + 1}/{epochs}", held_out=False):
                trainer.add(outputs)
        trainer.step()
        return trainer.predictors()

    def measure(self, sites: Sequence[Site], predictors: Sequence[Predictor]) -> list[SiteCalibration]:
        """The predictors' histograms over the samples that are held out."""
        histograms = [SiteHistogram(site, bin_edges()) for site in sites]
        for outputs in self._outputs("measuring the curves", held_out=True):
            for output, predictor, histogram in zip(outputs, predictors, histograms, strict=True):
                mask = pattern_mask(self._pattern, output)
                histogram.add(output, predict(predictor, output, mask), mask)
        return [histogram.result(predictor) for histogram, predictor in zip(histograms, predictors, strict=True)]

    def _outputs(self, step: str, *, held_out: bool) -> Iterator[list[Tensor]]:
        """The sites' outputs for the samples that are held out, or for the rest, a run of the model at a time."""
        seen = 0
        for batch in self._source:
            positions = np.arange(seen, seen + batch.size)
            chosen = np.flatnonzero((positions % _HOLD_OUT == _HOLD_OUT - 1) == held_out)
            for outputs in self._capture.run(batch, self._generator.permutation(chosen)):
                yield [torch.from_numpy(output) for output in outputs]
            seen += batch.size
            self._progress(step, seen, self._source.length)
        self.samples = seen
        if seen < _HOLD_OUT:
            problem = f"{seen} samples are too few: every {_HOLD_OUT}th is held out to measure the curves"
            raise DataError("calibrate", problem, where=self._source.spec, remedy=f"give at least {_HOLD_OUT} samples")
