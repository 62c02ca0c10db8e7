"""convert: reads a model, its calibration and its fit; writes the model with ZapConvs at one operating point."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnx

from zaponnx.artifact_files import load_calibration, load_fit
from zaponnx.artifacts import Calibration, Fit, OperatingPoint
from zaponnx.errors import ArtifactError, InvalidArgument, ModelError
from zaponnx.files import sha256
from zaponnx.graph.converted import is_converted, write_metadata
from zaponnx.graph.finding import find_matches
from zaponnx.graph.rewriting import Replacement, rewrite
from zaponnx.graph.site import Refusal
from zaponnx.graph.surgery import display_name
from zaponnx.graph.upgrading import upgrade
from zaponnx.models import check_model_output, external_files, load_model, model_sha256, staged_model
from zaponnx.verification import Verification, verify

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
        epsilon, error, mac_saved: The operating point, as `fit` predicted it from the calibration. The saving is a
            share of all calibrated sites' MACs, those that stay dense included; `eval` gives that of the ZapConvs.
        budget_missed: Why the budget that was asked for could not be met, "" if it was.
        upgraded: What had to be upgraded, as in "opset 9 to 13", "" if nothing.
        converted: The sites that became ZapConvs, in the model's order.
        dense: The Convs that stay dense, and why.
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
) -> ConversionReport:
    """Writes a model in which the calibrated sites are ZapConvs, at an operating point of the fit.

    The model is checked before it appears at `output`: by onnx.checker and strict shape inference, and by comparing
    it, with its thresholds at −∞, with the original.

    Args:
        model, calibration, fit: The three files; the artifacts must belong to the model.
        output: The file to write.
        epsilon: Takes the last point whose error, as measured in calibration, is not above this budget.
        mac_saving: Takes the first point that saves this share, 0 to 1, of the calibrated sites' MACs.

    If no point does so, the nearest one is written, and the report says that the budget was missed.

    Raises:
        InvalidArgument: Not exactly one of `epsilon` and `mac_saving` is given, or it is out of range; the output
            cannot be written or is one of the inputs.
        ModelError: The model cannot be read or is converted already, or the check of the result failed.
        ArtifactError: An artifact cannot be read or belongs to another model, or the fit to another calibration.
        OutputError: The system does not let the file be written.
        RuntimeUnavailable: ONNX Runtime, which the check needs, is not installed.
    """
    model, calibration, fit, output = Path(model), Path(calibration), Path(fit), Path(output)
    _check_budget(epsilon, mac_saving)
    data_files = external_files(model, "convert")
    check_model_output(output, "convert", [model, *data_files, calibration, fit])
    proto = load_model(model, "convert")
    if is_converted(proto):
        raise ModelError("convert", "it is already converted", where=str(model), remedy="convert the original model")
    calibrated, fitted = load_calibration(calibration, "convert"), load_fit(fit, "convert")
    _check_provenance(model_sha256(model, "convert"), calibrated, calibration, fitted, fit)
    point, budget_missed = select_point(fitted, epsilon=epsilon, mac_saving=mac_saving)
    proto, upgraded = upgrade(proto)
    replacements, dense = _plan(proto, calibrated, point, calibration)
    rewrite(proto, replacements, calibrated.pattern)
    write_metadata(proto, _provenance(calibrated, fitted, point))
    with staged_model(proto, output, "convert", external_data=bool(data_files)) as staged:
        verification = verify(model, staged)
    macs = {site.output: site.macs for site in calibrated.sites}
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
            ConvertedSite(
                name=display_name(found.match.conv),
                output=found.match.output,
                threshold=found.threshold[0],
                macs=macs[found.match.output],
            )
            for found in replacements
        ),
        dense=tuple(dense),
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


def _check_provenance(
    model_hash: str, calibration: Calibration, calibration_path: Path, fit: Fit, fit_path: Path
) -> None:
    for artifact, path, command in ((calibration, calibration_path, "calibrate"), (fit, fit_path, "fit")):
        if artifact.model_sha256 != model_hash:
            remedy = f"run zaponnx {command} for this model"
            raise ArtifactError("convert", "it belongs to another model", where=str(path), remedy=remedy)
    outputs = {site.output for site in calibration.sites}
    if fit.calibration_sha256 != sha256(calibration_path) or fit.curves.keys() != outputs:
        remedy = f"run zaponnx fit {calibration_path}"
        raise ArtifactError("convert", "it was fitted to another calibration", where=str(fit_path), remedy=remedy)


def _plan(
    model: onnx.ModelProto, calibration: Calibration, point: OperatingPoint, path: Path
) -> tuple[list[Replacement], list[Refusal]]:
    """Which sites to rewrite and how, and which Convs stay dense and why.

    Raises:
        ArtifactError: The calibration has a site that the model does not have.
    """
    calibrated = {site.output: site for site in calibration.sites}
    matches, dense = find_matches(model)
    if not calibrated.keys() <= {match.output for match in matches}:
        # Then it was made with the first convolution included.
        matches, dense = find_matches(model, include_first=True)
    replacements = []
    for match in matches:
        name, site = display_name(match.conv), calibrated.pop(match.output, None)
        if site is None:
            dense.append(Refusal(name, "it was not calibrated"))
        elif (site.channels, site.macs_per_output) != (match.weights.shape[0], match.macs_per_output):
            raise ArtifactError("convert", f"site '{name}' is another one in the model", where=str(path))
        elif point.thresholds[match.output] == -math.inf:
            dense.append(Refusal(name, "nothing to skip at this operating point"))
        else:
            replacements.append(Replacement(match, site.predictor, (point.thresholds[match.output],)))
    for site in calibrated.values():
        raise ArtifactError("convert", f"its site '{site.name}' is no site of the model", where=str(path))
    return replacements, dense


def _provenance(calibration: Calibration, fit: Fit, point: OperatingPoint) -> dict[str, str]:
    """What the model's metadata record: the artifacts and the operating point, numbers as in JSON."""
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
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
