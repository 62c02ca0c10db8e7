"""Runs models to choose one: reads a dense model and data, gives the accuracy and the times of its conversions."""

from __future__ import annotations

from pathlib import Path

import onnx

from zaponnx.calib.data import DataSource, open_data
from zaponnx.calib.means import Means
from zaponnx.calib.time_path import Placed
from zaponnx.calib.trials import Trials
from zaponnx.chosen_point import Trial
from zaponnx.dense_model import DenseModel
from zaponnx.errors import DataError
from zaponnx.evaluation import eval
from zaponnx.models import temporary_model
from zaponnx.progress import Progress
from zaponnx.site_choice import Timer
from zaponnx.stopwatch import PairedTimes, Stopwatch, read_feeds


class Models:
    """A dense model's conversions, each run once.

    Args:
        dense: The dense model.
        means: What to run with.
        timer: What times them; None if none is timed.
        trials: Where what was run is kept.
        progress: Told about every run.
    """

    def __init__(
        self, dense: DenseModel, means: Means, timer: Timer | None, trials: Trials, progress: Progress
    ) -> None:
        self._dense, self._means, self._timer, self._trials, self._progress = dense, means, timer, trials, progress

    def drop(self, placed: Placed) -> float:
        """How much top-1 a conversion loses.

        Raises:
            ZapError: As `zaponnx.eval` says.
        """
        dense = self._trials.of("top-1 of the dense model", self._dense_evaluated)
        found = self._trials.of(f"top-1 at {_name(placed)}", lambda: self._evaluated(placed))
        assert dense.top1 is not None  # since the data have labels
        assert found.top1 is not None
        return dense.top1 - found.top1

    def times(self, placed: Placed) -> PairedTimes:
        """What a conversion and the dense model take.

        Raises:
            ModelError: A model cannot be run.
        """
        found = self._trials.of(f"times at {_name(placed)}", lambda: self._timed(placed)).times
        assert found is not None
        return found

    def _dense_evaluated(self) -> Trial:
        return Trial(0.0, 0.0, top1=self._top1(self._means.model, "the dense model"))

    def _evaluated(self, placed: Placed) -> Trial:
        with temporary_model(self._converted(placed), f"the model with {_saved(placed)}") as path:
            return Trial(placed.point.error, placed.point.mac_saved, top1=self._top1(path, _saved(placed)))

    def _top1(self, path: Path, what: str) -> float | None:
        means = self._means
        evaluation = eval(
            [path],
            means.data,
            samples=means.samples,
            batch_size=means.evaluation_batch,
            preprocess=means.preprocess,
            workers=means.workers,
            split=means.split,
            providers=means.providers,
            progress=lambda step, done, total: self._progress(f"evaluating, {what}", done, total),
        )
        return evaluation.models[0].top1

    def _timed(self, placed: Placed) -> Trial:
        assert self._timer is not None
        self._progress(f"timing, {_saved(placed)}", 0, None)
        times = self._timer.model(self._converted(placed))
        return Trial(placed.point.error, placed.point.mac_saved, times=times)

    def _converted(self, placed: Placed) -> onnx.ModelProto:
        return self._dense.converted(placed.point, "auto", placed.winograd)[0]


def _saved(placed: Placed) -> str:
    return f"{placed.point.mac_saved:.1%} of the MACs saved"


def _name(placed: Placed) -> str:
    """What tells the points of a path from each other."""
    return f"error {placed.point.error!r}, {placed.point.mac_saved!r} of the MACs saved"


def opened(dense: DenseModel, means: Means, *, labelled: bool) -> DataSource:
    """The data to run models on.

    Args:
        dense: The model to feed.
        means: What says which data.
        labelled: Whether they must have labels.

    Raises:
        InvalidArgument: An unknown SPEC or option.
        DataError: The data cannot be read, do not suit the model, or lack labels.
    """
    source = open_data(
        means.data,
        dense.model,
        split=means.split,
        samples=means.samples,
        batch_size=means.evaluation_batch,
        preprocess=means.preprocess,
    )
    if labelled and next(iter(source)).labels is None:
        remedy = "give images in a folder per class, or arrays with 'labels'; or limit the error, with epsilon"
        raise DataError("fit", "there are no labels, and max-drop is about accuracy", where=means.data, remedy=remedy)
    return source


def timer_of(dense: DenseModel, means: Means) -> Stopwatch | None:
    """What times the model's conversions; None if none need be timed.

    Raises:
        InvalidArgument: An unknown SPEC or option.
        DataError: The data cannot be read, do not suit the model, or are less than a batch.
    """
    timing = means.timing
    if timing is None:
        return None
    feeds = read_feeds(means.data, dense.model, timing.batch_size, means.preprocess, means.split)
    return Stopwatch(means.model, dense.model, dense.tensors, feeds, timing.threads, timing.providers)
