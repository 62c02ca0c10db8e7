"""What else the model could be: reads the sources, gives the fit's operating points and the models evaluated."""

from __future__ import annotations

import math

import numpy as np

from zaponnx.calib.report.contents import Evaluated, Frontier, Point
from zaponnx.calib.report.headline import Work
from zaponnx.calib.report.layers import skipping_thresholds
from zaponnx.calib.report.sources import Sources
from zaponnx.evaluation import ModelEvaluation

_DECIMALS = 6
"""Of the layers' shares at every point, of which there are many."""


def frontier(sources: Sources) -> Frontier | None:
    """The operating points; None where the model carries no fit and none is given."""
    fit = sources.fit
    if fit is None:
        return None
    outputs = [site.output for site in sources.sites]
    own = skipping_thresholds(sources)
    errors, savings = np.zeros((len(fit.points) + 1, 0)), np.zeros((len(fit.points) + 1, 0))
    if sources.expectations is not None and sources.expectations.known:
        effects = [
            sources.expectations.effects(output, [*(point.thresholds[output] for point in fit.points), own[output]])
            for output in outputs
        ]
        errors = np.column_stack([site.error for site in effects]).round(_DECIMALS)
        savings = np.column_stack([site.saved for site in effects]).round(_DECIMALS)
    heads = [*((point.epsilon, point.error, point.mac_saved) for point in fit.points), sources.recorded]
    points = [
        Point(epsilon, error, mac_saved, tuple(layer_error.tolist()), tuple(layer_saved.tolist()))
        for (epsilon, error, mac_saved), layer_error, layer_saved in zip(heads, errors, savings, strict=True)
    ]
    return Frontier(
        method=fit.method,
        granularity=fit.granularity,
        objective=fit.objective,
        layers=tuple(site.name for site in sources.sites),
        points=tuple(points[:-1]),
        chosen=points[-1],
        evaluated=_evaluated(sources),
    )


def work(sources: Sources) -> Work:
    """What the model saves: as eval measured it, else as calibration lets expect."""
    whole = sources.inspection.macs
    if sources.evaluation is not None:
        model = sources.evaluation[1]
        skipped, net = (
            math.fsum(layer.macs * getattr(layer, name) for layer in model.layers)
            for name in ("mac_saved", "net_mac_saved")
        )
        predicted = calibrated_share(sources, model)
        return Work(True, skipped / whole, net / whole, predicted) if whole else Work(True, None, None, predicted)
    predicted = sources.recorded[2]
    layers = [layer for layer in sources.inspection.layers if layer.status == "converted"]
    if not whole or not sources.sites:
        return Work(False, None, None, predicted)
    gross = predicted * math.fsum(site.macs for site in sources.sites) / whole
    return Work(False, gross, gross - sum(layer.predictor_macs or 0 for layer in layers) / whole, predicted)


def calibrated_share(sources: Sources, model: ModelEvaluation) -> float:
    """The share of the calibrated layers' MACs that an evaluated model saved, those included that it has dense.

    Where it was evaluated on inputs of another size than was calibrated with, all layers count as larger alike.
    """
    calibrated = {site.name: site.macs for site in sources.sites}
    known = [layer for layer in model.layers if layer.name in calibrated]
    if not known:
        return model.mac_saved
    size = math.fsum(layer.macs for layer in known) / math.fsum(calibrated[layer.name] for layer in known)
    skipped = math.fsum(layer.macs * layer.mac_saved for layer in known)
    return skipped / (size * math.fsum(calibrated.values()))


def _evaluated(sources: Sources) -> tuple[Evaluated, ...]:
    """The models of the same network that were evaluated with labels."""
    return tuple(
        Evaluated(
            model=model.path.name,
            data=f"{evaluation.data} ({evaluation.split})" if evaluation.split else evaluation.data,
            mac_saved=calibrated_share(sources, model),
            top1=model.top1,
            this=model.sha256 == sources.sha256,
        )
        for evaluation in sources.evaluations
        for model in evaluation.models
        if model.top1 is not None and model.original_sha256 == sources.original_sha256
    )
