"""Brings a model and its artifacts together: refuses those of another model, gives the sites that were calibrated."""

from __future__ import annotations

from pathlib import Path

import onnx

from zaponnx.artifacts import Calibration, Fit, SiteCalibration
from zaponnx.errors import ArtifactError
from zaponnx.files import sha256
from zaponnx.graph.finding import find_matches
from zaponnx.graph.matching import Match
from zaponnx.graph.site import Refusal
from zaponnx.graph.surgery import display_name

CalibratedSite = tuple[Match, SiteCalibration]


def check_provenance(
    model_hash: str, calibration: Calibration, calibration_path: Path, fit: Fit, fit_path: Path
) -> None:
    """Refuses artifacts that do not belong together.

    Raises:
        ArtifactError: The calibration or the fit is another model's, or the fit another calibration's.
    """
    for artifact, path, command in ((calibration, calibration_path, "calibrate"), (fit, fit_path, "fit")):
        if artifact.model_sha256 != model_hash:
            remedy = f"run zaponnx {command} for this model"
            raise ArtifactError("convert", "it belongs to another model", where=str(path), remedy=remedy)
    sizes = {site.output: site.channels if fit.granularity == "channel" else 1 for site in calibration.sites}
    points = [*fit.points, *([fit.chosen.point] if fit.chosen else [])]
    fitted = ({output: len(values) for output, values in point.thresholds.items()} for point in points)
    if fit.calibration_sha256 != sha256(calibration_path) or any(found != sizes for found in fitted):
        remedy = f"run zaponnx fit {calibration_path}"
        raise ArtifactError("convert", "it was fitted to another calibration", where=str(fit_path), remedy=remedy)


def calibrated_sites(
    model: onnx.ModelProto, calibration: Calibration, path: Path
) -> tuple[list[CalibratedSite], list[Refusal]]:
    """The calibrated sites of the model, and the other Convs with the reasons why they stay dense.

    Raises:
        ArtifactError: The calibration has a site that the model does not have.
    """
    calibrated = {site.output: site for site in calibration.sites}
    matches, dense = find_matches(model)
    if not calibrated.keys() <= {match.output for match in matches}:
        # Then it was made with the first convolution included.
        matches, dense = find_matches(model, include_first=True)
    sites = []
    for match in matches:
        name, site = display_name(match.conv), calibrated.pop(match.output, None)
        if site is None:
            dense.append(Refusal(name, "it was not calibrated"))
        elif (site.channels, site.macs_per_output) != (match.weights.shape[0], match.macs_per_output):
            raise ArtifactError("convert", f"site '{name}' is another one in the model", where=str(path))
        else:
            sites.append((match, site))
    for site in calibrated.values():
        raise ArtifactError("convert", f"its site '{site.name}' is no site of the model", where=str(path))
    return sites, dense
