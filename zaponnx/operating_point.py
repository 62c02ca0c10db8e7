"""Writes a dense model at an operating point: chooses it, converts, checks, reports; for `convert` and `retune`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from zaponnx.artifacts import OperatingPoint
from zaponnx.budget import Budget
from zaponnx.carried import carried_metadata
from zaponnx.conversion_report import ConversionReport, ConvertedSite
from zaponnx.dense_model import DenseModel
from zaponnx.errors import InvalidArgument
from zaponnx.files import files_of_data
from zaponnx.graph.converted import write_metadata
from zaponnx.graph.originals import originals
from zaponnx.graph.site import Refusal
from zaponnx.models import model_sha256, staged_model
from zaponnx.progress import Progress
from zaponnx.provenance import provenance
from zaponnx.providers import Provider
from zaponnx.tuning import Tuning, TuningSettings, tuned_point
from zaponnx.verification import verify

_LAYOUTS = ("auto", "nchw")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        budget: The error or the saving, or that which fit chose.
        layout: "auto" lets ZapConvs exchange activations in NHWC, "nchw" does not.
        tuning: What to measure the sites with; None without tuning.

    Raises:
        InvalidArgument: The layout is unknown.
    """

    budget: Budget
    layout: str
    tuning: TuningSettings | None

    def __post_init__(self) -> None:
        if self.layout not in _LAYOUTS:
            remedy = f"use {' or '.join(_LAYOUTS)}"
            raise InvalidArgument("convert", f"the layout is '{self.layout}'", remedy=remedy)

    @classmethod
    def of(
        cls,
        epsilon: float | None,
        mac_saving: float | None,
        layout: str,
        tune: bool,
        data: str | None,
        batch_size: int | None,
        preprocess: str | None,
        threads: int | None,
        providers: Sequence[Provider] | None,
    ) -> Request:
        """What the arguments of `convert` ask for.

        Raises:
            InvalidArgument: An argument is out of range, missing, or given in vain.
        """
        tuning = TuningSettings.of(tune, data, batch_size, preprocess, threads, providers)
        return cls(Budget(epsilon, mac_saving), layout, tuning)

    @property
    def files(self) -> list[Path]:
        """The files that the data may be in."""
        return files_of_data(self.tuning.data) if self.tuning else []


def write_operating_point(
    dense: DenseModel, request: Request, model: Path, output: Path, progress: Progress, *, external_data: bool
) -> ConversionReport:
    """Writes the model at the operating point that a request selects, whole and checked or not at all.

    Args:
        dense: The model to convert.
        request: What is asked for.
        model: The model that the user gave, for the report.
        output: The file to write.
        progress: Told about every measurement.
        external_data: Whether to write the weights beside it.

    Raises:
        ZapError: As `zaponnx.conversion.convert` says.
    """
    budget = request.budget
    selected = budget.select(dense.fit)
    point, winograd, budget_missed = selected.point, selected.winograd, selected.missed
    tuning = None
    if request.tuning is not None:
        choice, tuning = tuned_point(
            dense.path,
            dense.model,
            dense.tensors,
            dense.suiting_winograd,
            lambda chosen, in_full: dense.converted(chosen, request.layout, in_full)[0],
            point,
            budget.for_tuning(point),
            dense.hulls,
            dense.fit.objective,
            request.tuning,
            progress,
        )
        winograd = choice.winograd
        if choice.point is not point:
            ms = choice.model.converted_ms if choice.model else None
            point, budget_missed = choice.point, budget.missed_by_tuned(selected, choice.point, ms)
    result, layouts = dense.converted(point, request.layout, winograd)
    write_metadata(result, provenance(dense.calibration, dense.fit, selected.chosen, point, tuning))
    removed = originals(dense.model.graph, result.graph)
    write_metadata(result, carried_metadata(removed, dense.calibration, dense.fit, dense.hulls))
    with staged_model(result, output, "convert", external_data=external_data) as staged:
        verification = verify(dense.path, staged)
    return ConversionReport(
        model=model,
        output=output,
        pattern=dense.calibration.pattern.spec,
        epsilon=point.epsilon,
        error=point.error,
        mac_saved=point.mac_saved,
        budget_missed=budget_missed,
        upgraded=dense.changes.upgraded,
        stale=dense.changes.stale,
        converted=tuple(
            ConvertedSite(site.name, match.output, point.thresholds[match.output], site.macs)
            for match, site in dense.sites
            if point.skips(match.output) or match.output in winograd
        ),
        dense=(*dense.refusals, *_left_dense(dense, point, winograd, tuning)),
        layouts=layouts,
        tuning=tuning,
        verification=verification,
        output_sha256=model_sha256(output, "convert"),
    )


def _left_dense(
    dense: DenseModel, point: OperatingPoint, winograd: Collection[str], tuning: Tuning | None
) -> list[Refusal]:
    """The calibrated sites that stay dense, and why."""
    whole = ", all of the whole model, with no other ZapConv" if tuning and tuning.device else ""
    measured = {site.output: site.reason + whole for site in tuning.sites} if tuning else {}
    return [
        Refusal(
            site.name,
            measured.get(match.output, "nothing to skip at this operating point"),
        )
        for match, site in dense.sites
        if not point.skips(match.output) and match.output not in winograd
    ]
