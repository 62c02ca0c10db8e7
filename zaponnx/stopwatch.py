"""Times a converted model against the dense one: reads both and real inputs, gives times by site and of the whole.

On the CPU a site's times are those of its nodes, under ORT's profiler. Elsewhere that profiles only how long launching
takes, so that a site's times are those of whole models: the dense one, and one in which no other site is a ZapConv.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.benchmark import interleaved_times, timing_options
from zaponnx.errors import DataError
from zaponnx.models import temporary_model
from zaponnx.profiling import ProfiledSession
from zaponnx.providers import Provider, on_cpu
from zaponnx.runtime import open_session, ort_errors

BATCHES = 5
"""Batches to measure with; odd, so that each of them is run by either model first equally often."""

PAIRS = 60
"""Timed runs of each model, a multiple of BATCHES."""

LEAST_MS = 500
"""Whole models are timed at least so long: PAIRS runs of a small one are over before a disturbance of the machine."""

Feed = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class PairedTimes:
    """Times of runs in pairs, one of the dense and one of the converted model on the same input.

    Attributes:
        dense_ms, converted_ms: Medians, in milliseconds.
        gain_ms: The median of the pairs' differences; positive where the converted one is faster.
        noise_ms: The standard error of that median.
    """

    dense_ms: float
    converted_ms: float
    gain_ms: float
    noise_ms: float

    @property
    def pays(self) -> bool:
        """Whether the converted one is faster beyond noise."""
        return self.gain_ms > 2 * self.noise_ms


def paired_times(dense: npt.ArrayLike, converted: npt.ArrayLike) -> PairedTimes:
    """The medians of paired times, (runs,) milliseconds each, and how well they are known.

    The standard error of a median of n values is √(π/2) · σ / √n, and σ is 1.4826 times the median absolute deviation,
    both for normal errors; unlike the standard deviation, that one is not raised by a few disturbed runs.
    """
    dense, converted = np.asarray(dense), np.asarray(converted)
    gains = dense - converted
    gain = float(np.median(gains))
    deviation = 1.4826 * float(np.median(np.abs(gains - gain)))
    noise = math.sqrt(math.pi / 2 / gains.size) * deviation
    return PairedTimes(float(np.median(dense)), float(np.median(converted)), gain, noise)


class Stopwatch:
    """Runs models in pairs, in turn.

    Args:
        path: The dense model as the user has it.
        dense: The same, upgraded as its conversions are.
        tensors: A site's output → the tensors that its nodes write in the dense model, the output among them.
        feeds: Inputs, taken in turn.
        threads: ORT's threads within an operator.
        providers: ORT's; the CPU if there are none.
    """

    def __init__(
        self,
        path: Path,
        dense: onnx.ModelProto,
        tensors: Mapping[str, Sequence[str]],
        feeds: Sequence[Feed],
        threads: int,
        providers: Sequence[Provider] | None = None,
    ) -> None:
        self._path = path
        self._dense = dense
        self._tensors = tensors
        self._feeds = feeds
        self._threads = threads
        self._providers = providers

    def sites(
        self, converted: onnx.ModelProto, outputs: Sequence[str], alone: Callable[[str], onnx.ModelProto]
    ) -> dict[str, PairedTimes]:
        """The times of sites that are ZapConvs in the model, by their outputs.

        Args:
            converted: The model: what its nodes take on the CPU counts, see `zaponnx.profiling`.
            outputs: The sites.
            alone: Makes the model in which one of them is the only ZapConv: what that takes elsewhere counts.
        """
        if not on_cpu(self._providers):
            return {output: self.model(alone(output)) for output in outputs}
        sites = [self._tensors[output] for output in outputs]
        with tempfile.TemporaryDirectory() as directory:
            profiled = []
            for name, model in (("dense", self._dense), ("converted", converted)):
                folder = Path(directory) / name
                folder.mkdir()
                profiled.append(ProfiledSession(model, sites, folder, self._threads))
            self._run([each.session for each in profiled])
            dense_series, converted_series = (each.series(PAIRS) for each in profiled)
        return dict(zip(outputs, map(paired_times, dense_series, converted_series), strict=True))

    def model(self, converted: onnx.ModelProto) -> PairedTimes:
        """The times of the whole models, without a profile."""
        with temporary_model(converted) as path:
            options = timing_options(self._threads, self._providers)
            sessions = [open_session(file, options, self._providers, "convert") for file in (self._path, path)]
            series: tuple[list[float], list[float]] = ([], [])
            while sum(map(sum, series)) < LEAST_MS:
                for times, more in zip(series, self._run(sessions), strict=True):
                    times += more
            return paired_times(*series)

    def _run(self, sessions: Sequence[Any]) -> tuple[list[float], list[float]]:
        with ort_errors("convert", str(self._path)):
            return interleaved_times(sessions, self._feeds, PAIRS, BATCHES)


def read_feeds(
    data: str, model: onnx.ModelProto, batch_size: int, preprocess: str | None, split: str = "calibration"
) -> list[Feed]:
    """The first whole batches of a data set.

    Args:
        data: The data set's SPEC.
        model: The model to feed.
        batch_size: Samples per batch, unless the model prescribes its batch.
        preprocess: Normalisation of images, as in `calibrate`.
        split: Of data that have splits.

    Raises:
        InvalidArgument: An unknown SPEC or option.
        DataError: The data cannot be read, do not suit the model, or are less than a batch.
    """
    from zaponnx.calib.data import open_data

    source = open_data(data, model, split=split, batch_size=batch_size, preprocess=preprocess)
    feeds = [batch.inputs for batch in itertools.islice(source.whole_batches(), BATCHES)]
    if not feeds:
        remedy = "give more data" if source.fixed_batch else "give more data or a smaller batch size"
        raise DataError("convert", f"there are fewer than {source.batch_size} samples", where=data, remedy=remedy)
    return feeds
