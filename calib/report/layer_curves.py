"""The layers' curves as in the paper's figures: reads an analysis, gives error and MACs at sampled thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from zaponnx.artifacts import Calibration
from zaponnx.calib.analysis import Analysis, SiteAnalysis
from zaponnx.calib.curves import Doubles
from zaponnx.calib.report.contents import Curves, LayerCurves

_RANGE = 1.3  # on both sides of zero, as in the paper
_SAMPLED = 105  # thresholds
_MOST = 95  # percent of a model's thresholds that the range has, if they are beyond the paper's

_DECIMALS = 6


def layer_curves(analyzed: Analysis, calibration: Calibration, chosen: Iterable[float]) -> Curves:
    """Error and MACs of every layer of a calibration as shares, measured and fitted.

    Args:
        analyzed: What was found in the calibration.
        calibration: The same.
        chosen: All thresholds of the model, which the sampled range is to show.
    """
    finite = [value for value in chosen if math.isfinite(value)]
    highest = max(_RANGE, float(np.percentile(finite, _MOST)) if finite else _RANGE)
    thresholds = np.linspace(-_RANGE, highest, _SAMPLED).round(4)
    layers = (
        _layer(site, measured.macs, thresholds)
        for site, measured in zip(analyzed.sites, calibration.sites, strict=True)
    )
    return Curves(tuple(thresholds.tolist()), tuple(layers))


def _layer(site: SiteAnalysis, layer_macs: float, thresholds: Doubles) -> LayerCurves:
    places = [site.at(threshold) for threshold in thresholds]
    coefficients = dict(site.smooth.coefficients)
    fitted: dict[str, tuple[float, ...]] = {"error": (), "macs": ()}
    if coefficients:
        a, b, c, d = coefficients["macs"]  # of their number, and not of their share
        coefficients["macs"] = (a / layer_macs, b, c, d / layer_macs)
        fitted["error"] = _rounded(site.smooth.error.value(thresholds))
        fitted["macs"] = _rounded(site.smooth.macs.value(thresholds) / layer_macs)
    return LayerCurves(
        name=site.name,
        error=_rounded(site.error[places]),
        macs=_rounded(site.macs[places]),
        fitted_error=fitted["error"],
        fitted_macs=fitted["macs"],
        coefficients=coefficients,
        reason=site.smooth.reason,
    )


def _rounded(values: Doubles) -> tuple[float, ...]:
    return tuple(np.asarray(values, np.float64).round(_DECIMALS).tolist())
