"""What the errors of a layer do to the model's outputs: reads a model, its calibration and samples, gives weights.

One layer at a time skips what gives it an error of 0.2. How far the model's outputs move is their divergence from the
dense model's, see `zaponnx.calib.divergence`. For small errors it grows with their square, so a layer's weight is its
divergence by its squared error.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from zaponnx.artifacts import Calibration
from zaponnx.calib.capture import Capture
from zaponnx.calib.data import Batch, DataSource
from zaponnx.calib.data.batch import Positions
from zaponnx.calib.divergence import divergence
from zaponnx.calib.exact import LagrangianPath
from zaponnx.calib.hulls import hulls
from zaponnx.calib.sharing import Plan
from zaponnx.calibrated_sites import calibrated_sites
from zaponnx.errors import DataError
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.progress import Progress
from zaponnx.providers import Provider

SAMPLES = 64
"""How many samples the outputs are compared on."""

_ERROR = 0.2  # about what a layer loses where a classifier loses a percentage point of its accuracy
_LEAST_WEIGHT = 0.05  # of the mean: less is noise
_RUN = 16  # samples at a time

_log = logging.getLogger("zaponnx.calibrate")


def with_weights(
    calibration: Calibration,
    model: onnx.ModelProto,
    batches: Sequence[Batch],
    providers: Sequence[Provider] | None,
    progress: Progress,
    where: Path,
) -> Calibration:
    """The calibration with its sites' weights; as it was, with a warning, if the model's output is not finite.

    Args:
        calibration: Of the model.
        model: The dense model; it may be changed.
        batches: Samples, as `held_out` gives them.
        providers: ONNX Runtime's. ZapConvs are run by their function bodies, and need no library.
        progress: Told about the sites done.
        where: The model's file, for error messages.

    Raises:
        ModelError: The model cannot be upgraded or run.
    """
    try:
        weights = _weights(calibration, model, batches, providers, progress, where)
    except DataError:  # the output may be that on purpose: the logarithm of a zero
        _log.warning("the errors of all layers count alike: the model's output has NaN or infinite values")
        return calibration
    mean = float(np.mean(list(weights.values())))
    if not mean > 0:
        return calibration  # whatever is lost, the outputs stay as they are
    weighted = (replace(site, weight=max(weights[site.output] / mean, _LEAST_WEIGHT)) for site in calibration.sites)
    return replace(calibration, sites=tuple(weighted))


def _weights(
    calibration: Calibration,
    model: onnx.ModelProto,
    batches: Sequence[Batch],
    providers: Sequence[Provider] | None,
    progress: Progress,
    where: Path,
) -> dict[str, float]:
    """By the sites' outputs, how far the model's outputs move for what error; arguments as in `with_weights`."""
    dense, _ = to_dense(model, lambda each: [match for match, _ in calibrated_sites(each, calibration, where)[0]])
    sites, _ = calibrated_sites(dense, calibration, where)
    reference = _outputs(dense, batches, providers, where)
    found = hulls(calibration, "channel")
    weights: dict[str, float] = {}
    for match, site in sites:
        others = [hull.site for hull in found if hull.site != match.output]
        point = LagrangianPath(found, "sum", others).point(_ERROR)
        converted = onnx.ModelProto()
        converted.CopyFrom(dense)
        replacement = Replacement(match, site.predictor, point.thresholds[match.output], calibration.pattern)
        to_zap_convs(converted, [replacement], "auto")
        moved = _moved(reference, _outputs(converted, batches, providers, where))
        weights[match.output] = moved / point.error**2 if point.error else 0.0
        progress("measuring what the layers' errors do", len(weights), len(sites))
    return weights


def held_out(source: DataSource, block_size: int, plan: Plan) -> list[Batch]:
    """The first SAMPLES samples that the predictors are not trained on, or all, at most 16 to a batch."""
    batches: list[Batch] = []
    missing = SAMPLES
    for block in source.blocks(lambda start, size: _positions(plan, start, size), block_size):
        if block.chosen is not None:
            chosen = block.chosen.take(slice(missing))
            batches += [chosen.take(slice(start, start + _RUN)) for start in range(0, chosen.size, _RUN)]
            missing -= chosen.size
        if not missing:
            break
    return batches


def _positions(plan: Plan, start: int, size: int) -> Positions:
    return np.concatenate([np.array([], np.intp), *(share.samples for share in plan.measuring(start, size))])


def _moved(reference: Tensor, outputs: Tensor) -> float:
    """How far a model's outputs are from others, from 0."""
    distance, scale = divergence(reference, outputs)
    return float(distance / scale) if scale else 0.0


@dataclass(frozen=True)
class _Output:
    output: str
    name: str = "the model's output"


def _outputs(
    model: onnx.ModelProto, batches: Sequence[Batch], providers: Sequence[Provider] | None, where: Path
) -> Tensor:
    """The model's first output for all samples."""
    capture = Capture(model, [_Output(model.graph.output[0].name)], providers=providers, where=str(where))
    return torch.cat([capture.run(batch)[0] for batch in batches]).double().cpu()
