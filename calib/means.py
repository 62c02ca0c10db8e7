"""What models are run with to choose an operating point: checks the arguments of `fit` that are for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.chosen_point import Goal
from zaponnx.errors import InvalidArgument, on_behalf_of
from zaponnx.files import files_of_data
from zaponnx.models import external_files
from zaponnx.providers import Provider
from zaponnx.tuning import TuningSettings

_EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Means:
    """What models are run with.

    Attributes:
        model: The dense model.
        data, split: The SPEC, and the split where it has some.
        preprocess: Normalisation of images, as in `calibrate`.
        samples: At most so many are evaluated.
        evaluation_batch: Samples per run when evaluating.
        workers: Processes that decode images then.
        providers: ONNX Runtime's, to evaluate and to time.
        costs: The cost table's file.
        timing: What to time with; None where nothing is.
    """

    model: Path
    data: str
    split: str
    preprocess: str | None
    samples: int | None
    evaluation_batch: int
    workers: int
    providers: Sequence[Provider] | None
    costs: Path
    timing: TuningSettings | None

    @property
    def inputs(self) -> list[Path]:
        """The files that are read, and those that the data may be in."""
        return [*external_files(self.model, "fit"), *files_of_data(self.data)]

    @classmethod
    def of(
        cls,
        goal: Goal | None,
        output: Path,
        *,
        model: Path | str | None,
        data: str | None,
        split: str | None,
        preprocess: str | None,
        batch_size: int | None,
        samples: int | None,
        workers: int,
        providers: Sequence[Provider] | None,
        threads: int | None,
        costs: Path | str | None,
    ) -> Means | None:
        """What the arguments of `fit` give for a goal, None if no model need be run for it.

        Raises:
            InvalidArgument: An argument is missing, out of range, or given in vain.
        """
        evaluates = goal is not None and goal.max_drop is not None
        times = goal is not None and goal.by_time
        either = "max-drop, latency and min-latency"
        shared: dict[str, Any] = {"data": data, "split": split, "preprocess": preprocess, "batch-size": batch_size}
        shared["providers"] = providers
        _refuse_in_vain({"model": model}, goal is not None, "choosing a point")
        _refuse_in_vain(shared, evaluates or times, either)
        _refuse_in_vain({"samples": samples, "workers": workers or None}, evaluates, "max-drop")
        _refuse_in_vain({"threads": threads, "costs": costs}, times, "latency and min-latency")
        if not (evaluates or times):
            return None
        if model is None or data is None:
            remedy = "give the dense model with --model, and data with --data"
            raise InvalidArgument("fit", f"{either} need models to be run", remedy=remedy)
        with on_behalf_of("fit"):
            timing = TuningSettings.of(True, data, batch_size, preprocess, threads, providers) if times else None
        return cls(
            model=Path(model),
            data=data,
            split=split or "calibration",
            preprocess=preprocess,
            samples=samples,
            evaluation_batch=_EVALUATION_BATCH if batch_size is None else batch_size,
            workers=workers,
            providers=providers,
            costs=_beside(output) if costs is None else Path(costs),
            timing=timing,
        )


def _refuse_in_vain(arguments: dict[str, Any], used: bool, purpose: str) -> None:
    for name, value in arguments.items():
        if value is not None and not used:
            raise InvalidArgument("fit", f"--{name} is for {purpose} only", remedy="leave it out, or ask for that")


def _beside(output: Path) -> Path:
    """model.zapcosts.json for model.zapfit.json."""
    return output.with_name(output.name.removesuffix(".json").removesuffix(".zapfit") + ".zapcosts.json")
