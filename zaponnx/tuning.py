"""convert's --tune: reads a model, its sites and real inputs, gives what is fastest on this machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx

from zaponnx.artifacts import OperatingPoint
from zaponnx.calib.hulls import Hull
from zaponnx.cuda_half import cuda_half
from zaponnx.errors import InvalidArgument, RuntimeUnavailable
from zaponnx.machine import check_threads, cpu_cores, cpu_name, gpu_name, versions
from zaponnx.progress import Progress
from zaponnx.providers import Provider, checked_providers, gpu_of, on_cpu
from zaponnx.runtime import library_path, onnxruntime
from zaponnx.site_choice import Build, Choice, TunedSite, choose, redistribute
from zaponnx.stopwatch import PAIRS, PairedTimes, Stopwatch, read_feeds


@dataclass(frozen=True)
class TuningSettings:
    """What to measure with.

    Attributes:
        data: The data's SPEC; its calibration split is taken, where it has one.
        batch_size: Samples per run, unless the model prescribes its batch.
        preprocess: Normalisation of images, as in `calibrate`.
        threads: ORT's threads within an operator.
        providers: ORT's; the CPU if there are none.

    Raises:
        InvalidArgument: A number below 1, or too many threads.
    """

    data: str
    batch_size: int
    preprocess: str | None
    threads: int
    providers: Sequence[Provider] | None = None

    def __post_init__(self) -> None:
        for name, value in (("batch size", self.batch_size), ("number of threads", self.threads)):
            if value < 1:
                raise InvalidArgument("convert", f"the {name} is {value}, and must be at least 1")
        check_threads("convert", [self.threads])

    @classmethod
    def of(
        cls,
        tune: bool,
        data: str | None,
        batch_size: int | None,
        preprocess: str | None,
        threads: int | None,
        providers: Sequence[Provider] | None,
    ) -> TuningSettings | None:
        """The settings that `convert`'s arguments give, None without `tune`.

        Raises:
            InvalidArgument: There are no data to tune with, or other arguments without `tune`; a number below 1.
        """
        if not tune:
            given: dict[str, object] = {"data": data, "batch-size": batch_size, "preprocess": preprocess}
            given |= {"threads": threads, "providers": providers}
            for name, value in given.items():
                if value is not None:
                    raise InvalidArgument("convert", f"--{name} is for tuning only", remedy="add --tune")
            return None
        if data is None:
            problem = "tuning needs data, since what a layer skips depends on them"
            raise InvalidArgument("convert", problem, remedy="give --data, as for calibrate")
        cores = cpu_cores() if threads is None else threads
        return cls(data, 1 if batch_size is None else batch_size, preprocess, cores, providers)

    @property
    def device(self) -> str:
        """What runs the models in place of the CPU, "" if nothing does: as in "NVIDIA H200, CUDAExecutionProvider".

        Raises:
            InvalidArgument: An unknown provider.
            RuntimeUnavailable: This ONNX Runtime does not have it, or zaponnx's library no kernels for it.
        """
        if self.providers is None or on_cpu(self.providers):
            return ""
        name, _ = checked_providers(onnxruntime("convert"), self.providers, None, "convert")[0]
        gpu = gpu_of(self.providers)
        if gpu is None:
            return name
        half = cuda_half(library_path())
        if not half.device:
            remedy = "tune for the CPU" if half.library else "install a zaponnx that has them, or tune for the CPU"
            raise RuntimeUnavailable("convert", f"there are no CUDA kernels to tune: {half.problem}", remedy=remedy)
        return ", ".join(filter(None, (gpu_name(gpu), name)))


@dataclass(frozen=True)
class Tuning:
    """How a model was tuned.

    Attributes:
        cpu, cores: The machine.
        threads: ORT's threads within an operator.
        data, batch_size, batches: The inputs: their SPEC, samples per run, and how many of these were taken in turn.
        pairs: Timed runs of each model, per measurement.
        sites: The sites that were measured, with their times.
        model: The times of the whole models; None if nothing pays.
        versions: Of Python and the packages.
        device: What ran the models in place of the CPU, "" if nothing did: its name, as far as known, and its provider.
    """

    cpu: str
    cores: int
    threads: int
    data: str
    batch_size: int
    batches: int
    pairs: int
    sites: tuple[TunedSite, ...]
    model: PairedTimes | None
    versions: Mapping[str, str]
    device: str = ""

    @property
    def machine(self) -> str:
        """What ran the models."""
        return self.device or self.cpu


def tuned_point(
    path: Path,
    dense: onnx.ModelProto,
    tensors: Mapping[str, Sequence[str]],
    suiting_winograd: Collection[str],
    build: Build,
    point: OperatingPoint,
    epsilon: float,
    hulls: Sequence[Hull],
    objective: str,
    settings: TuningSettings,
    progress: Progress,
) -> tuple[Choice, Tuning]:
    """Measures, and chooses what becomes of each site.

    Args:
        path: The dense model as the user has it.
        dense: The same, upgraded as its conversions are.
        tensors: A site's output → the tensors that its nodes write in the dense model, the output among them.
        suiting_winograd: The outputs of the sites that can be computed in full by Winograd's, which only the CPU does.
        build: Makes the converted model at an operating point.
        point: The operating point to begin with.
        epsilon: The budget that sites which do not skip leave to the others.
        hulls, objective: What the thresholds of all sites are chosen from, and by.
        settings: What to measure with.
        progress: Told about every measurement.

    Returns:
        The choice, and what was measured.

    Raises:
        InvalidArgument: An unknown SPEC or option.
        DataError: The data cannot be read, do not suit the model, or are less than a batch.
        ModelError: The model cannot be run.
        RuntimeUnavailable: ONNX Runtime, the library or a provider is missing.
    """
    device = settings.device
    feeds = read_feeds(settings.data, dense, settings.batch_size, settings.preprocess)
    stopwatch = Stopwatch(path, dense, tensors, feeds, settings.threads, settings.providers)
    choice = choose(
        point,
        () if device else suiting_winograd,
        partial(redistribute, hulls, objective, epsilon),
        build,
        stopwatch,
        progress,
    )
    return choice, Tuning(
        cpu=cpu_name(),
        cores=cpu_cores(),
        threads=settings.threads,
        data=settings.data,
        batch_size=len(next(iter(feeds[0].values()))),
        batches=len(feeds),
        pairs=PAIRS,
        sites=choice.sites,
        model=choice.model,
        versions=versions(),
        device=device,
    )
