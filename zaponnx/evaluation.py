"""eval: reads models and a data set, gives each model's accuracy and the work that it saved on those data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.chosen_point import UsedData
from zaponnx.counting import Counter, add_counters
from zaponnx.errors import DataError, InvalidArgument, ModelError
from zaponnx.graph.converted import read_metadata
from zaponnx.macs import PREDICTOR_MACS_PER_OUTPUT
from zaponnx.models import load_model, model_sha256, temporary_model
from zaponnx.processes import own_device, process_count, process_rank, threads_per_process
from zaponnx.progress import Progress, silent
from zaponnx.provenance import data_used
from zaponnx.providers import Provider
from zaponnx.runtime import open_session, ort_errors, register_for, session_options

if TYPE_CHECKING:
    from zaponnx.calib.data import Batch, DataSource


@dataclass(frozen=True)
class LayerSaving:
    """What one ZapConv saved.

    Attributes:
        name: The node's name, or its output's if it has none.
        macs: Dense multiply-accumulates per sample.
        mac_saved: Share of them that was skipped, 0 to 1, gross of the predictor.
        net_mac_saved: The same less the predictor's own MACs; negative where it costs more than it saves.
    """

    name: str
    macs: float
    mac_saved: float
    net_mac_saved: float


@dataclass(frozen=True)
class ModelEvaluation:
    """One model on the data.

    Attributes:
        path: The model.
        top1, top5: Accuracies, 0 to 1; None if the data have no labels.
        mac_saved: Share of the ZapConvs' MACs that was skipped, 0 to 1, gross of the predictors; 0 without ZapConvs.
        net_mac_saved: The same less the predictors' own MACs.
        layers: The ZapConvs, in the model's order.
        sha256: Its hash, see docs/artifacts.md.
        original_sha256: The hash of the dense model that it was converted from; its own if it was not converted.
    """

    path: Path
    top1: float | None
    top5: float | None
    mac_saved: float
    net_mac_saved: float
    layers: tuple[LayerSaving, ...]
    sha256: str
    original_sha256: str


@dataclass(frozen=True)
class Evaluation:
    """Models on the same data.

    Attributes:
        models: In the order given; the first is the baseline.
        data: The SPEC of what they were evaluated on.
        split: Its split; None where the SPEC has none.
        samples: How many samples that was.
        providers: The sessions' providers.
        portable: Whether ZapConv was run by its function body instead of the native library.
        preprocess: What was done to images, as given; None for what is done by default.
        notes: What else the data were used for, as far as the models say: there the accuracy may be too good.
    """

    models: tuple[ModelEvaluation, ...]
    data: str
    split: str | None
    samples: int
    providers: tuple[str, ...]
    portable: bool
    preprocess: str | None = None
    notes: tuple[str, ...] = ()

    def notes_on(self, model: ModelEvaluation) -> tuple[str, ...]:
        """The notes on a model, each as what follows its name."""
        name = f"{model.path} "
        return tuple(note.removeprefix(name) for note in self.notes if note.startswith(name))

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx eval --json` prints it."""
        models = [{**asdict(model), "path": str(model.path)} for model in self.models]
        return {**asdict(self), "models": models}


def eval(
    models: Sequence[Path | str],
    data: str,
    *,
    samples: int | None = None,
    batch_size: int = 128,
    preprocess: str | None = None,
    workers: int = 0,
    split: str = "test",
    providers: Sequence[Provider] | None = None,
    portable: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Runs models over a data set, a batch at a time, and compares them.

    Under torchrun the processes take turns at the batches, and all return what one process would.

    Args:
        models: Dense or converted models; the first is the baseline.
        data: The data set's SPEC.
        samples: At most this many samples.
        batch_size: Samples per run, unless a model prescribes its batch.
        preprocess: What is done to images, as in `calibrate`.
        workers: Processes that decode images, as in `calibrate`.
        split: "test" or, for a choice that the test data must not know of, "calibration"; only `digits` and `random`
            have them.
        providers: As in `zaponnx.InferenceSession`.
        portable: Run ZapConv by its function body, without the native library.
        progress: Called after each batch.

    Raises:
        InvalidArgument: No models, an unknown SPEC or option, or an unknown provider.
        DataError: The data cannot be read or do not suit a model, the labels do not suit the outputs, or the models
            got different numbers of samples.
        ModelError: A model cannot be read or run.
        RuntimeUnavailable: ORT, the library or a provider is missing.
    """
    from zaponnx.calib.data import open_data

    if not models:
        raise InvalidArgument("eval", "no model is given")
    results = []
    notes: list[str] = []
    seen: list[int] = []  # samples, by model
    for path in map(Path, models):
        model = load_model(path, "eval")
        source = open_data(
            data,
            model,
            split=split,
            samples=samples,
            batch_size=batch_size,
            preprocess=preprocess,
            seed=0,
            workers=workers,
        )
        counting_model, counters = add_counters(model)
        options = session_options()
        options.intra_op_num_threads = threads_per_process()
        if not portable:
            register_for(options, providers)
        with temporary_model(counting_model) as counting_path:
            session = open_session(counting_path, options, own_device(providers), "eval", where=str(path))
        tally = _run(session, source, counters, path, progress)
        seen.append(tally.samples)
        if seen[-1] != seen[0]:
            problem = f"the data gave {seen[0]} samples for {models[0]} and {seen[-1]} for {path}"
            raise DataError("eval", problem, where=data, remedy="make every pass over the data the same")
        sha256 = model_sha256(path, "eval")
        results.append(tally.evaluation(path, counters, sha256, read_metadata(model).get("model_sha256", sha256)))
        notes += _notes(path, model, UsedData(data, source.split, None))
    run_by = tuple(session.get_providers())
    return Evaluation(tuple(results), data, source.split, seen[0], run_by, portable, preprocess, tuple(notes))


def _notes(path: Path, model: onnx.ModelProto, used: UsedData) -> list[str]:
    """What was done with the same data before."""
    return [
        f"{path} was {what} on {earlier.data}, too: on other data its accuracy may be lower"
        for what, earlier in data_used(read_metadata(model))
        if earlier.overlaps(used)
    ]


class _Tally:
    """Counts over the batches of one model."""

    def __init__(self, counters: Sequence[Counter]) -> None:
        self.samples = 0  # of all processes
        self.labelled = np.zeros(1, np.int64)  # samples
        self.correct = np.zeros(2, np.int64)  # among the first 1 and the first 5
        self.skipped = np.zeros(len(counters), np.int64)
        self.outputs = np.zeros(len(counters), np.int64)

    def add(self, outputs: Mapping[str, npt.NDArray[Any]], counters: Sequence[Counter]) -> None:
        for index, counter in enumerate(counters):
            self.skipped[index] += outputs[counter.skipped]
            self.outputs[index] += outputs[counter.outputs]

    def share(self) -> None:
        """Adds up the counts of all processes."""
        if process_count() == 1:
            return
        import torch

        from zaponnx.calib.distributed import process_group

        for counts in (self.labelled, self.correct, self.skipped, self.outputs):
            counts[:] = process_group().sum(torch.from_numpy(counts)).numpy()

    def evaluation(self, path: Path, counters: Sequence[Counter], sha256: str, original_sha256: str) -> ModelEvaluation:
        weights = np.array([counter.macs_per_output for counter in counters], np.float64)
        macs = self.outputs * weights
        saved = self.skipped * weights
        predicted = np.array([counter.predicted for counter in counters], bool)
        net = saved - self.outputs * predicted * PREDICTOR_MACS_PER_OUTPUT
        layers = tuple(
            LayerSaving(counter.name, *map(float, (dense / self.samples, gross / dense, rest / dense)))
            for counter, dense, gross, rest in zip(counters, macs, saved, net, strict=True)
        )
        top1, top5 = (self.correct / self.samples).tolist() if self.labelled.any() else (None, None)
        total = macs.sum() or 1.0
        mac_saved, net_mac_saved = float(saved.sum() / total), float(net.sum() / total)
        return ModelEvaluation(path, top1, top5, mac_saved, net_mac_saved, layers, sha256, original_sha256)


def _run(session: Any, source: DataSource, counters: Sequence[Counter], path: Path, progress: Progress) -> _Tally:
    tally = _Tally(counters)
    names = [node.name for node in session.get_outputs()]
    for block in source.every(process_count(), process_rank()):
        if block.chosen is not None:
            _count(session, names, block.chosen, tally, counters, path)
        tally.samples = block.start + block.size
        progress(f"evaluating {path.name}", tally.samples, source.length)
    tally.share()
    return tally


def _count(
    session: Any, names: Sequence[str], batch: Batch, tally: _Tally, counters: Sequence[Counter], path: Path
) -> None:
    with ort_errors("eval", str(path)):
        outputs = dict(zip(names, session.run(None, dict(batch.inputs)), strict=True))
    tally.add(outputs, counters)
    if batch.labels is not None:
        tally.labelled += batch.size
        tally.correct += _correct(outputs[names[0]], batch.labels, path)


def _correct(scores: npt.NDArray[Any], labels: npt.NDArray[np.int64], path: Path) -> npt.NDArray[np.int64]:
    """How many labels are the first, and among the first five, by descending score; ties count as ranked."""
    if scores.ndim < 2 or scores[0].size != scores.shape[1] or len(scores) != len(labels):
        problem = f"its first output has shape {list(scores.shape)}, not one score per class"
        raise ModelError("eval", problem, where=str(path), remedy="evaluate it on data without labels")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        problem = f"label {labels.max() if labels.min() >= 0 else labels.min()} is none of {scores.shape[1]} classes"
        raise DataError("eval", problem, where=str(path))
    if np.isnan(scores).any():
        raise DataError("eval", "its scores are not numbers", where=str(path), remedy="check the data and the model")
    ranked = np.argsort(-scores.reshape(len(scores), -1), axis=1, kind="stable")[:, :5]
    hits = ranked == labels[:, None]
    return np.array([hits[:, 0].sum(), hits.sum()], np.int64)
