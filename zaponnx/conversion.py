"""convert: reads a model, its calibration and its fit; writes the model with ZapConvs at one operating point."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx

from zaponnx.artifact_files import load_calibration, load_fit
from zaponnx.artifacts import Calibration, Fit, OperatingPoint
from zaponnx.calibrated_sites import CalibratedSite, calibrated_sites, check_provenance
from zaponnx.errors import InvalidArgument, ModelError
from zaponnx.graph.converted import is_converted, write_metadata
from zaponnx.graph.layouts import Layouts, exchange_nhwc
from zaponnx.graph.rewriting import Replacement, rewrite
from zaponnx.graph.site import Refusal
from zaponnx.graph.surgery import display_name
from zaponnx.graph.upgrading import upgrade
from zaponnx.models import check_model_output, external_files, load_model, model_sha256, staged_model
from zaponnx.patterns import Pattern
from zaponnx.progress import Progress, silent
from zaponnx.tuning import Tuning, TuningSettings, tuned_point
from zaponnx.verification import Verification, verify

_LAYOUTS = ("auto", "nchw")

_RECORDED_SETTINGS = ("data", "samples", "seed")
"""Of those of the calibration, what the model's metadata record."""


@dataclass(frozen=True)
class ConvertedSite:
    """A site that became a ZapConv.

    Attributes:
        name: The node's name, or its output's if it has none.
        output: The tensor that it writes.
        threshold: Its threshold; finite or +∞.
        macs: Dense multiply-accumulates per sample.
    """

    name: str
    output: str
    threshold: float
    macs: float


@dataclass(frozen=True)
class ConversionReport:
    """What `convert` did.

    Attributes:
        model, output: The model read and the model written.
        pattern: The pattern's name or tile.
        epsilon, error, mac_saved: The operating point that was written, as measured in calibration. The saving is a
            share of all calibrated sites' MACs, those that stay dense included; `eval` gives that of the ZapConvs.
        budget_missed: Why the budget that was asked for could not be met, "" if it was.
        upgraded: What had to be upgraded, as in "opset 9 to 13", "" if nothing.
        converted: The sites that became ZapConvs, in the model's order.
        dense: The Convs that stay dense, and why.
        layouts: How many ZapConvs are in NHWC, and how many Transposes that took.
        tuning: What was measured to choose them; None without `tune`.
        verification: How the written model was checked.
    """

    model: Path
    output: Path
    pattern: str
    epsilon: float
    error: float
    mac_saved: float
    budget_missed: str
    upgraded: str
    converted: tuple[ConvertedSite, ...]
    dense: tuple[Refusal, ...]
    layouts: Layouts
    tuning: Tuning | None
    verification: Verification

    def to_json(self) -> dict[str, Any]:
        """The report as JSON has it: paths as strings, an infinite threshold as "inf"."""
        report = asdict(self) | {"model": str(self.model), "output": str(self.output)}
        for site in report["converted"]:
            site["threshold"] = site["threshold"] if math.isfinite(site["threshold"]) else str(site["threshold"])
        return report


def convert(
    model: Path | str,
    calibration: Path | str,
    fit: Path | str,
    output: Path | str,
    *,
    epsilon: float | None = None,
    mac_saving: float | None = None,
    layout: str = "auto",
    tune: bool = False,
    data: str | None = None,
    batch_size: int | None = None,
    preprocess: str | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> ConversionReport:
    """Writes a model in which the calibrated sites are ZapConvs, at an operating point of the fit.

    The model is checked before it appears at `output`: by onnx.checker and strict shape inference, and by comparing
    it, with its thresholds at −∞, with the original.

    Args:
        model, calibration, fit: The three files; the artifacts must belong to the model.
        output: The file to write.
        epsilon: Takes the last point whose error, as measured in calibration, is not above this budget.
        mac_saving: Takes the first point that saves this share, 0 to 1, of the calibrated sites' MACs.
        layout: "auto" lets ZapConvs exchange activations in NHWC where that saves conversions, see
            `zaponnx.graph.layouts`; "nchw" does not. The results are the same.
        tune: Measures on this machine's CPU which sites are faster as ZapConvs, leaves the others dense and spends
            their part of the budget on the rest; see `zaponnx.tuning`. If nothing pays, the model stays dense.
        data: The SPEC of the data to measure with, since what is skipped depends on them. For `tune`, as all below.
        batch_size: Samples per run, 1 if None, unless the model prescribes its batch.
        preprocess: Normalisation of images, as in `calibrate`.
        threads: ORT's threads within an operator; all cores if None.
        progress: Told about every measurement.

    If no point keeps to the budget or reaches the goal, the nearest one is written, and the report says that the budget
    was missed; so it does where the sites that pay save less than `mac_saving`.

    Raises:
        InvalidArgument: Not exactly one of `epsilon` and `mac_saving` is given, or an argument is out of range; data
            are missing or given in vain, or the SPEC is unknown; the output cannot be written or is one of the inputs.
        ModelError: The model cannot be read or run or is converted already, or the check of the result failed.
        ArtifactError: An artifact cannot be read or belongs to another model, or the fit to another calibration.
        DataError: The data cannot be read or do not suit the model.
        OutputError: The system does not let the file be written.
        RuntimeUnavailable: ONNX Runtime, which the check needs, or the library, which tuning needs, is not installed.
    """
    model, calibration, fit, output = Path(model), Path(calibration), Path(fit), Path(output)
    _check_budget(epsilon, mac_saving)
    if layout not in _LAYOUTS:
        raise InvalidArgument("convert", f"the layout is '{layout}'", remedy=f"use {' or '.join(_LAYOUTS)}")
    settings = TuningSettings.of(tune, data, batch_size, preprocess, threads)
    data_files = external_files(model, "convert")
    argument = (data or "").partition(":")[2]  # a file, or a script's file and its function
    inputs = [model, *data_files, calibration, fit, Path(argument), Path(argument.rpartition(":")[0])]
    check_model_output(output, "convert", inputs)
    proto = load_model(model, "convert")
    if is_converted(proto):
        raise ModelError("convert", "it is already converted", where=str(model), remedy="convert the original model")
    calibrated, fitted = load_calibration(calibration, "convert"), load_fit(fit, "convert")
    check_provenance(model_sha256(model, "convert"), calibrated, calibration, fitted, fit)
    point, budget_missed = select_point(fitted, epsilon=epsilon, mac_saving=mac_saving)
    proto, upgraded = upgrade(proto)
    sites, dense = calibrated_sites(proto, calibrated, calibration)

    def build(chosen: OperatingPoint) -> onnx.ModelProto:
        return _converted(proto, sites, chosen, calibrated.pattern, layout)[0]

    tuning = None
    if settings is not None:
        # A point of smoothed curves may cost more than the epsilon that it was made for.
        budget = max(point.epsilon, point.error) if epsilon is None else epsilon
        tensors = {match.output: [node.outputs[0].name for node in match.nodes] for match, _ in sites}
        tuned, tuning = tuned_point(model, proto, tensors, build, point, budget, calibrated, settings, progress)
        if tuned is not point:
            point, budget_missed = tuned, _missed_goal(tuned, mac_saving)
    result, layouts = _converted(proto, sites, point, calibrated.pattern, layout)
    write_metadata(result, _provenance(calibrated, fitted, point, tuning))
    with staged_model(result, output, "convert", external_data=bool(data_files)) as staged:
        verification = verify(model, staged)
    return ConversionReport(
        model=model,
        output=output,
        pattern=calibrated.pattern.spec,
        epsilon=point.epsilon,
        error=point.error,
        mac_saved=point.mac_saved,
        budget_missed=budget_missed,
        upgraded=upgraded,
        converted=tuple(
            ConvertedSite(display_name(match.conv), match.output, point.thresholds[match.output], site.macs)
            for match, site in sites
            if point.thresholds[match.output] > -math.inf
        ),
        dense=(*dense, *_left_dense(sites, point, tuning)),
        layouts=layouts,
        tuning=tuning,
        verification=verification,
    )


def select_point(fit: Fit, *, epsilon: float | None, mac_saving: float | None) -> tuple[OperatingPoint, str]:
    """The operating point that a budget or a goal selects, and why it misses it, "" if it does not."""
    if mac_saving is not None:
        found = next((point for point in fit.points if point.mac_saved >= mac_saving), None)
        if found is not None:
            return found, ""
        best = max(fit.points, key=lambda point: point.mac_saved)
        return best, f"no operating point saves {mac_saving:.2%} of the MACs; the best saves {best.mac_saved:.2%}"
    within = [point for point in fit.points if epsilon is None or point.error <= epsilon]
    if within:
        return within[-1], ""
    least = min(fit.points, key=lambda point: point.error)
    return least, f"no operating point has an error of {epsilon:g} or less; the smallest is {least.error:g}"


def _check_budget(epsilon: float | None, mac_saving: float | None) -> None:
    if (epsilon is None) == (mac_saving is None):
        raise InvalidArgument("convert", "give either an epsilon or a MAC saving, and not both")
    if epsilon is not None and not 0 <= epsilon < math.inf:
        raise InvalidArgument("convert", f"epsilon is {epsilon}", remedy="use a number from 0")
    if mac_saving is not None and not 0 <= mac_saving <= 1:
        raise InvalidArgument("convert", f"the MAC saving is {mac_saving}", remedy="use a share from 0 to 1")


def _converted(
    model: onnx.ModelProto, sites: Sequence[CalibratedSite], point: OperatingPoint, pattern: Pattern, layout: str
) -> tuple[onnx.ModelProto, Layouts]:
    """A copy of the model in which the sites are ZapConvs at the point's thresholds; −∞ leaves one dense."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    replacements = [
        Replacement(match, site.predictor, (point.thresholds[match.output],))
        for match, site in sites
        if point.thresholds[match.output] > -math.inf
    ]
    rewrite(copy, replacements, pattern)
    return copy, exchange_nhwc(copy) if layout == "auto" else Layouts()


def _left_dense(sites: Sequence[CalibratedSite], point: OperatingPoint, tuning: Tuning | None) -> list[Refusal]:
    """The calibrated sites that stay dense, and why."""
    measured = {site.output: site for site in tuning.sites} if tuning else {}
    return [
        Refusal(
            display_name(match.conv),
            measured[match.output].reason if match.output in measured else "nothing to skip at this operating point",
        )
        for match, _ in sites
        if point.thresholds[match.output] == -math.inf
    ]


def _missed_goal(point: OperatingPoint, mac_saving: float | None) -> str:
    """Why a tuned model misses the goal, "" if it does not; budgets are kept by tuning."""
    if mac_saving is None or point.mac_saved >= mac_saving:
        return ""
    return f"the layers that pay save {point.mac_saved:.2%} of the MACs, and not {mac_saving:.2%}"


def _provenance(calibration: Calibration, fit: Fit, point: OperatingPoint, tuning: Tuning | None) -> dict[str, str]:
    """What the model's metadata record: the artifacts, the operating point and the tuning, numbers as in JSON."""
    settings = {name: calibration.settings[name] for name in _RECORDED_SETTINGS if name in calibration.settings}
    return {
        "version": version("zaponnx"),
        "model_sha256": calibration.model_sha256,
        "calibration_sha256": fit.calibration_sha256,
        **{f"calibration_{name}": _text(value) for name, value in settings.items()},
        "pattern": calibration.pattern.spec,
        "method": fit.method,
        "epsilon": _text(point.epsilon),
        "error": _text(point.error),
        "mac_saved": _text(point.mac_saved),
        **({"tuned": "true", "tuned_cpu": tuning.cpu, "tuned_threads": _text(tuning.threads)} if tuning else {}),
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
