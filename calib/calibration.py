"""calibrate: reads a model and images, writes a calibration: predictors and the histograms that all curves follow from.

Every fourth sample is held out from training; the histograms are measured on these alone, so that the curves hold for
images that the predictors have not seen. Then the predictors are refined together, see `zaponnx.calib.refining`, and
measured again. With several patterns that is done for each, the training in the same passes, and the best one is kept.
Labels are not used.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from zaponnx.artifact_files import save_calibration
from zaponnx.artifacts import Calibration, SiteCalibration
from zaponnx.calib.capture import Capture
from zaponnx.calib.checkpoint import Checkpoint
from zaponnx.calib.data import Batch, open_data
from zaponnx.calib.devices import torch_device
from zaponnx.calib.distributed import ProcessGroup, process_group
from zaponnx.calib.finishing import Finishing
from zaponnx.calib.histograms import Histograms, bin_edges
from zaponnx.calib.losses import TRAININGS
from zaponnx.calib.output_errors import held_out
from zaponnx.calib.passes import Passes
from zaponnx.calib.refining import STEP_SAMPLES
from zaponnx.calib.selection import selected_sites
from zaponnx.calib.sharing import HOLD_OUT, Plan
from zaponnx.calib.training import PredictorTrainer
from zaponnx.errors import InvalidArgument, on_behalf_of
from zaponnx.files import check_output, files_of_data
from zaponnx.models import external_files, load_model, model_sha256
from zaponnx.patterns import Pattern
from zaponnx.progress import Progress, silent
from zaponnx.providers import Provider

_STEPS_PER_PASS = 32  # enough of them matter more than their samples, of which each has thousands of outputs ...
_LEAST_STEP = 8  # ... but a step needs so many samples
_REFINE_STEPS = 256  # half as many gain less, and twice as many no more on held-out samples
_REFINE_PASSES = 10  # at most, as predictors that see few images over and over learn these
_NEARLY = 0.95  # few samples do not tell patterns apart that are so close, and what a pattern computes takes less time


@dataclass(frozen=True)
class Preset:
    """Defaults for the amount of work: passes over the data, and at most how many samples (None: all)."""

    epochs: int
    samples: int | None


PRESETS = {"default": Preset(epochs=5, samples=None), "quick": Preset(epochs=2, samples=256)}

_log = logging.getLogger("zaponnx.calibrate")


def calibrate(
    model: Path | str,
    data: str,
    output: Path | str,
    *,
    pattern: str = "D",
    samples: int | None = None,
    epochs: int | None = None,
    batch_size: int = 128,
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    seed: int = 0,
    preset: str = "default",
    training: str = "default",
    refine_steps: int | None = None,
    preprocess: str | None = None,
    workers: int = 0,
    include_first: bool = False,
    providers: Sequence[Provider] | None = None,
    progress: Progress = silent,
) -> Calibration:
    """Trains a predictor for every site of a model and measures how well it predicts.

    An interrupted calibration leaves OUTPUT.partial, with which the same call goes on, to the same result; another call
    does not use it. Under torchrun the processes share the samples, and the first writes the file.

    Args:
        model: The dense ONNX model.
        data: A data SPEC, see `zaponnx.calib.data`.
        output: The calibration file to write.
        pattern: The computation pattern: A to E or rows such as 10/01. Of several, separated by commas, the best is
            kept: that which computes most of those that save, where a classifier loses about a percentage point of its
            accuracy, at least 0.95 times what the best one does. The settings say what each saves there
            (`pattern_savings`). If the model cannot be imported into torch, or its output is not finite, they are not
            compared: a warning says so, and the one that computes most is kept.
        samples: Use at most so many samples; the preset's if None.
        epochs: Passes over the data; the preset's if None.
        batch_size: Samples per optimiser step, as in the method. Where a pass has too few samples for 32 such steps,
            the steps are smaller, but not below 8; with `py` data they never are, since nobody knows their number
            before a pass. The calibration's settings have the size as `step_samples`.
        include: Regular expressions; only sites whose name one of them finds are calibrated, all if there are none.
        exclude: Regular expressions; sites whose name one of them finds are not.
        seed: Of the predictors' weights and of the order of the samples within each `batch_size` of them.
        preset: "default" (5 epochs, all samples) or "quick" (2 epochs, at most 256 samples).
        training: "default", or "paper": the published loss and learning rate, without refining.
        refine_steps: Steps, of 32 samples, in which the trained predictors are refined by what they do to the network's
            output; 0 leaves them as trained. If None, 256, but no more than ten passes; 0 with the training "paper".
            Predictors stay as trained, and a warning and the settings say why, if the model cannot be imported into
            torch, its output is not finite, or refining does not pay on samples that are held out.
        preprocess: Normalisation of images, see `open_data`.
        workers: Processes that decode images, see `open_data`.
        include_first: Whether the network's first conv can be a site.
        providers: ONNX Runtime's, which run the model, as in `zaponnx.InferenceSession`. The predictors are trained on
            the first one's GPU, if torch has it.
        progress: Told about samples done, per pass.

    Raises:
        InvalidArgument: An unknown pattern, preset, training, SPEC, provider or path; a regular expression that is none
            or finds nothing; steps of refining for the paper's training.
        ModelError: The model cannot be read or run, or has no sites.
        DataError: The data do not suit the model, are fewer than four samples, or give NaN.
    """
    model, output = Path(model), Path(output)
    epochs, samples = _amount_of_work(preset, epochs, samples)
    if training not in TRAININGS:
        remedy = f"use one of {', '.join(TRAININGS)}"
        raise InvalidArgument("calibrate", f"unknown training '{training}'", remedy=remedy)
    _check_refine_steps(refine_steps, training)
    check_output(output, "calibrate", [model, *external_files(model, "calibrate"), *files_of_data(data)])
    tiles = _tiles(pattern)
    dense = load_model(model, "calibrate")
    with on_behalf_of("calibrate", str(model)):
        sites = selected_sites(dense, include, exclude, include_first)
    group = process_group()
    source = open_data(
        data,
        dense,
        split="calibration",
        samples=samples,
        batch_size=batch_size,
        preprocess=preprocess,
        seed=seed,
        workers=workers,
    )
    step_samples = _step_samples(source.length, batch_size)
    settings = {
        "data": data,
        "split": source.split,
        "preprocess": preprocess,
        "hold_out": f"every {HOLD_OUT}th sample is measured and not trained on",
        "epochs": epochs,
        "preset": preset,
        "training": training,
        "refine_steps": refine_steps,
        "batch_size": batch_size,
        "step_samples": step_samples,
        "seed": seed,
        **_chosen_sites(include, exclude, include_first),
        "processes": group.size,
        "torch": torch.__version__,
    }
    sha256 = model_sha256(model, "calibrate")
    device = torch_device(providers)
    channels = [site.channels for site in sites]
    trainers = [
        PredictorTrainer(channels, tile, seed, step_samples, group, training=TRAININGS[training], device=device)
        for tile in tiles
    ]
    histograms = [Histograms(sites, tile, group, device) for tile in tiles]
    bound_to = {
        **settings,
        "model_sha256": sha256,
        "pattern": ",".join(tile.spec for tile in tiles),
        "sites": [site.output for site in sites],
        "length": source.length,
        "providers": repr(providers),
    }
    checkpoint = Checkpoint(output, bound_to, group)
    for number, (trainer, histogram) in enumerate(zip(trainers, histograms, strict=True)):
        checkpoint.include(f"trainer {number}", trainer)
        checkpoint.include(f"histograms {number}", histogram)
    plan = Plan(seed, step_samples, group.rank, group.size)
    capture = Capture(dense, sites, providers=providers, where=str(model))
    passes = Passes(capture, source, batch_size, plan, checkpoint, progress)
    measured = _trained_and_measured(passes, checkpoint.place.number, epochs, trainers, histograms)
    if refine_steps is None:
        refine_steps = _refine_steps(passes.samples) if training != "paper" else 0
    settings["refine_steps"] = refine_steps
    settings = {"samples": passes.samples, "samples_measured": measured[0][0].samples, **settings}
    comparing = len(tiles) > 1
    samples_compared: list[Batch] = []
    if group.rank == 0 or refine_steps or comparing:
        samples_compared = held_out(source, batch_size, Plan(seed, step_samples))
    finishing = Finishing(
        dense=dense,
        where=model,
        sites=sites,
        samples=samples_compared,
        passes=passes,
        checkpoint=checkpoint,
        epochs=epochs,
        steps=refine_steps,
        comparing=comparing,
        seed=seed,
        group=group,
        device=device,
        providers=providers,
    )
    finished = []
    for number, (tile, each) in enumerate(zip(tiles, measured, strict=True)):
        told = _naming(tile, progress) if comparing else progress
        trained = Calibration(model_sha256=sha256, pattern=tile, edges=bin_edges(), sites=each, settings=settings)
        finished.append(finishing.finished(trained, number, told))
    calibration = _best(finished, group)
    if group.rank == 0:
        save_calibration(calibration, output)
    checkpoint.discard()
    return calibration


def _chosen_sites(include: str | Sequence[str], exclude: str | Sequence[str], first: bool) -> dict[str, object]:
    """What was given to choose sites by."""
    given = {"include": include, "exclude": exclude, "include_first": first}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}


def _amount_of_work(preset: str, epochs: int | None, samples: int | None) -> tuple[int, int | None]:
    """Passes and samples: those that are asked for, else the preset's."""
    if preset not in PRESETS:
        raise InvalidArgument("calibrate", f"unknown preset '{preset}'", remedy=f"use one of {', '.join(PRESETS)}")
    epochs = PRESETS[preset].epochs if epochs is None else epochs
    if epochs < 1:
        raise InvalidArgument("calibrate", f"epochs is {epochs}, and must be at least 1")
    return epochs, PRESETS[preset].samples if samples is None else samples


def _check_refine_steps(steps: int | None, training: str) -> None:
    if steps is not None and steps < 0:
        raise InvalidArgument("calibrate", f"refine_steps is {steps}, and must be at least 0")
    if steps and training == "paper":
        problem = "the paper's training is not refined"
        raise InvalidArgument("calibrate", problem, remedy="leave --refine-steps or --training out")


def _tiles(patterns: str) -> list[Pattern]:
    """Those that are asked for, each once, from the one that computes most to the one that computes least."""
    tiles = {Pattern.parse(spec.strip()) for spec in patterns.split(",")}
    for tile in tiles:
        if len(tiles) > 1 and tile.share == 1:
            raise InvalidArgument("calibrate", f"pattern {tile.spec} leaves nothing to skip", remedy="leave it out")
    return sorted(tiles, key=lambda tile: (-tile.share, tile.spec))


def _naming(tile: Pattern, progress: Progress) -> Progress:
    """A progress of steps that are done for a pattern."""
    return lambda step, done, total: progress(f"{step}, pattern {tile.spec}", done, total)


def _best(finished: Sequence[tuple[Calibration, float | None]], group: ProcessGroup) -> Calibration:
    """The best pattern's calibration, which says what the others save, if there are several."""
    first, _ = finished[0]
    if len(finished) == 1:
        return first
    savings = {calibration.pattern.spec: saving for calibration, saving in finished if saving is not None}
    if not savings:
        if group.rank == 0:
            which = f"{first.pattern.spec} is kept, which computes most; give --pattern the one to take"
            _log.warning("the patterns are not compared: %s", which)
        return first
    enough = _NEARLY * max(savings.values())
    best = next(each for each, saving in finished if saving is not None and saving >= enough)
    return replace(best, settings={**best.settings, "pattern_savings": savings})


def _trained_and_measured(
    passes: Passes, first: int, epochs: int, trainers: Sequence[PredictorTrainer], histograms: Sequence[Histograms]
) -> list[tuple[SiteCalibration, ...]]:
    """Trains the predictors in passes 0 to `epochs` - 1, of which those before `first` are done, and measures them."""
    for epoch in range(first, epochs):
        for trainer in trainers:
            trainer.start_pass(epoch, epochs)
        for part in passes.training(epoch, f"training the predictors, epoch {epoch + 1}/{epochs}"):
            for trainer in trainers:
                trainer.add(part.outputs, part.count)
        for trainer in trainers:
            trainer.step()
    predictors = [trainer.predictors() for trainer in trainers]
    pairs = list(zip(histograms, predictors, strict=True))
    for part in passes.measuring(epochs, "measuring the curves"):
        for each, known in pairs:
            each.add(part.outputs, known)
    return [each.result(known) for each, known in pairs]


def _step_samples(length: int | None, batch_size: int) -> int:
    """Samples per optimiser step: `batch_size`, or fewer, down to 8, where a pass has not enough of them for 32 steps.

    `length`, the samples per pass, is None where only a pass can tell.
    """
    if length is None:
        return batch_size
    return min(batch_size, max(_LEAST_STEP, _trained_on(length) // _STEPS_PER_PASS))


def _refine_steps(length: int) -> int:
    """Those for so many samples per pass."""
    return min(_REFINE_STEPS, _REFINE_PASSES * _trained_on(length) // STEP_SAMPLES)


def _trained_on(length: int) -> int:
    """Those of so many samples that are not held out."""
    return length - length // HOLD_OUT
