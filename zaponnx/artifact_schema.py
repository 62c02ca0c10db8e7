"""The artifacts' schema: what a calibration and a fit consist of in a file, and what of that is not sound.

`docs/artifacts.md` specifies the formats and the refusals. `zaponnx.artifact_files` has the files; a converted model
carries the same, see `zaponnx.carried`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.artifacts import (
    BLOCKS,
    CALIBRATION_VERSION,
    FIT_VERSION,
    GRANULARITIES,
    LARGER_BLOCKS,
    MAGNITUDES,
    OBJECTIVES,
    SINGLE,
    Calibration,
    Fit,
    OperatingPoint,
    Predictor,
    SiteCalibration,
)
from zaponnx.chosen_point import point_json
from zaponnx.chosen_schema import read_chosen, read_point, read_used_data
from zaponnx.errors import InvalidArgument
from zaponnx.json_fields import Fields
from zaponnx.patterns import Pattern

FIT_FORMAT = "zaponnx.fit"
_LEAST_WEIGHT = 1e-6
_OPTIONAL = ("magnitudes", "blocks", "worths")
_SITE_SCALARS = ("name", "output", "channels", "macs_per_output", "total_value", "outputs", "samples", "weight")

Arrays = dict[str, npt.NDArray[Any]]


def calibration_parts(calibration: Calibration) -> tuple[dict[str, Any], Arrays]:
    """A calibration as its file has it: the JSON header, and the arrays by their names."""
    arrays: Arrays = {"edges": calibration.edges}
    for index, site in enumerate(calibration.sites):
        site_arrays = {**vars(site.predictor), "counts": site.counts, "values": site.values}
        site_arrays |= {name: array for name in _OPTIONAL if (array := getattr(site, name)) is not None}
        arrays |= {f"sites.{index}.{name}": array for name, array in site_arrays.items()}
    header = {
        "version": CALIBRATION_VERSION,
        "model_sha256": calibration.model_sha256,
        "pattern": calibration.pattern.spec,
        "settings": dict(calibration.settings),
        "sites": [{name: getattr(site, name) for name in _SITE_SCALARS} for site in calibration.sites],
    }
    # safetensors writes an array's memory as it lies, whatever its strides.
    return header, {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _check_version(fields: Fields, supported: int) -> None:
    version = fields.integer("version")
    if version != supported:
        fields.refuse("version", f"is {version}, and this zaponnx reads version {supported}")


def _sha256(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if not re.fullmatch("[0-9a-f]{64}", text):
        fields.refuse(key, "is no SHA-256 in hexadecimal")
    return text


def calibration_of(fields: Fields, arrays: Arrays, *, histograms: bool = True) -> Calibration:
    """Builds a calibration from its JSON header and its arrays.

    Args:
        fields: The header; all of it is taken.
        arrays: By their names in the file; all are taken.
        histograms: Whether there are any: else the counts and values are (0, B+1), and there are no magnitudes.

    Raises:
        ArtifactError: They are not sound or do not go together.
    """
    _check_version(fields, CALIBRATION_VERSION)
    model_sha256 = _sha256(fields, "model_sha256")
    try:
        pattern = Pattern.parse(fields.text("pattern"))
    except InvalidArgument as error:
        fields.refuse("pattern", f"is none: {error.problem}")
    settings = fields.object("settings").rest()
    edges = _array(fields, arrays, "edges", np.float32, None)
    if edges.size == 0 or np.any(edges[1:] <= edges[:-1]):
        fields.refuse("edges", "are not ascending")
    sites = [
        _site(site, arrays, f"sites.{index}.", edges.size, histograms)
        for index, site in enumerate(fields.objects("sites"))
    ]
    if not sites:
        fields.refuse("sites", "are none")
    if len({site.output for site in sites}) < len(sites):
        fields.refuse("sites", "name an output twice")
    fields.done()
    if arrays:
        fields.refuse(next(iter(arrays)), "is an unknown tensor")
    return Calibration(model_sha256, pattern, edges, tuple(sites), settings)


def _site(fields: Fields, arrays: Arrays, prefix: str, edges: int, histograms: bool) -> SiteCalibration:
    channels = fields.integer("channels")
    histogram = (channels if histograms else 0, edges + 1)
    shapes = {"P1": (channels, 1, 3, 3), "p1": (channels,), "P2": (channels, 1, 3, 3), "p2": (channels,)}
    weights = {name: _array(fields, arrays, prefix + name, np.float32, shape) for name, shape in shapes.items()}
    counts = _array(fields, arrays, f"{prefix}counts", np.int64, histogram)
    values = _array(fields, arrays, f"{prefix}values", np.float64, histogram)
    magnitudes = (
        _array(fields, arrays, f"{prefix}magnitudes", np.int64, (MAGNITUDES, edges + 1)) if histograms else None
    )
    measured = histograms and f"{prefix}blocks" in arrays
    blocks = _array(fields, arrays, f"{prefix}blocks", np.int64, (len(LARGER_BLOCKS), edges + 1)) if measured else None
    refined = histograms and f"{prefix}worths" in arrays
    worths = _array(fields, arrays, f"{prefix}worths", np.float64, histogram) if refined else None
    site = SiteCalibration(
        name=fields.text("name"),
        output=fields.text("output"),
        channels=channels,
        macs_per_output=fields.integer("macs_per_output"),
        predictor=Predictor(**weights),
        counts=counts,
        values=values,
        total_value=fields.number("total_value", low=0),
        outputs=fields.integer("outputs"),
        samples=fields.integer("samples"),
        magnitudes=magnitudes,
        blocks=blocks,
        worths=worths,
        weight=fields.number("weight", low=_LEAST_WEIGHT) if "weight" in fields.names() else 1.0,
    )
    fields.done()
    if np.any(counts < 0) or counts.sum(dtype=np.float64) > site.outputs:
        fields.refuse("outputs", "are fewer than its histogram counts")
    if magnitudes is not None and (np.any(magnitudes < 0) or np.any(magnitudes.sum(axis=0) != counts.sum(axis=0))):
        fields.refuse("magnitudes", "are not of the outputs that its histogram counts")
    if blocks is not None and (np.any(blocks < 0) or not _suit(blocks, counts.sum(axis=0))):
        fields.refuse("blocks", "are not of the outputs that its histogram counts")
    if worths is not None and (np.any(worths < 0) or np.any(worths[:, 1:] < worths[:, :-1])):
        fields.refuse("worths", "are negative or fall along the bins")
    # Both are sums of the same non-negative values, added up in different orders.
    with np.errstate(over="ignore"):
        histogram_value = values.sum()
    if np.any(values < 0) or histogram_value > site.total_value * (1 + 1e-6):
        fields.refuse("total_value", "is smaller than its histogram's sum")
    return site


def _suit(blocks: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> bool:
    """Whether outputs (B+1) can have these blocks: all do, and no block is skipped before its outputs are."""
    skipped, by_block = np.cumsum(counts), np.cumsum(blocks, axis=1)
    return bool(np.all(by_block <= skipped) and np.all(by_block[:, -1] == skipped[-1]))


def _array(
    fields: Fields, arrays: Arrays, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...] | None
) -> npt.NDArray[Any]:
    """Takes a finite array of a type and shape; `shape` None is any vector."""
    array = arrays.pop(name, None)
    key = name.rpartition(".")[2]
    if array is None:
        fields.refuse(key, "is missing")
    if array.dtype != dtype or (array.ndim != 1 if shape is None else array.shape != shape):
        expected = f"{np.dtype(dtype).name} {'vector' if shape is None else shape}"
        fields.refuse(key, f"is {array.dtype.name} {array.shape}, not {expected}")
    if not np.isfinite(array).all():
        fields.refuse(key, "has values that are not finite")
    return array


def fit_document(fit: Fit) -> dict[str, Any]:
    """A fit as its file has it."""
    return {
        "format": FIT_FORMAT,
        "version": FIT_VERSION,
        "model_sha256": fit.model_sha256,
        "calibration_sha256": fit.calibration_sha256,
        "method": fit.method,
        "granularity": fit.granularity,
        "objective": fit.objective,
        "block": fit.block,
        "points": [point_json(point) for point in fit.points],
        "curves": {output: dict(curve) for output, curve in fit.curves.items()},
        "calibrated_on": asdict(fit.calibrated_on) if fit.calibrated_on else None,
        "chosen": fit.chosen.to_json() | point_json(fit.chosen.point) if fit.chosen else None,
    }


def fit_of(fields: Fields) -> Fit:
    """Builds a fit from its JSON document, all of which is taken.

    Raises:
        ArtifactError: It is not sound.
    """
    if fields.take("format") != FIT_FORMAT:
        fields.refuse("format", f"is not '{FIT_FORMAT}'")
    _check_version(fields, FIT_VERSION)
    method = fields.text("method")
    if method not in ("exact", "sigmoid", "imported"):
        fields.refuse("method", "is neither 'exact' nor 'sigmoid' nor 'imported'")
    granularity, objective = fields.text("granularity"), fields.text("objective")
    if granularity not in GRANULARITIES:
        fields.refuse("granularity", "is neither 'channel' nor 'layer'")
    if objective not in OBJECTIVES:
        fields.refuse("objective", "is neither 'output' nor 'sum'")
    block = fields.text("block") if "block" in fields.names() else SINGLE
    if block not in BLOCKS:
        fields.refuse("block", f"is none of {', '.join(BLOCKS)}")
    if block != SINGLE and granularity != "layer":
        fields.refuse("block", f"is {block}, which the granularity '{granularity}' does not have")
    fit = Fit(
        model_sha256=_sha256(fields, "model_sha256"),
        calibration_sha256=_sha256(fields, "calibration_sha256"),
        method=method,
        granularity=granularity,
        objective=objective,
        points=tuple(_point(point) for point in fields.objects("points")),
        curves={output: _curve(curve) for output, curve in fields.object("curves").members()},
        calibrated_on=None if fields.absent("calibrated_on") else read_used_data(fields.object("calibrated_on")),
        chosen=None if fields.absent("chosen") else read_chosen(fields.object("chosen")),
        block=block,
    )
    fields.done()
    if not fit.points:
        fields.refuse("points", "are none")
    if any(first.epsilon > second.epsilon for first, second in zip(fit.points, fit.points[1:], strict=False)):
        fields.refuse("points", "are not in the order of epsilon")
    _check_thresholds(fields, "points", fit, fit.points)
    if fit.chosen is not None:
        _check_thresholds(fields, "chosen", fit, [fit.chosen.point])
    return fit


def _check_thresholds(fields: Fields, key: str, fit: Fit, points: Sequence[OperatingPoint]) -> None:
    """Refuses operating points that have other sites or granularity than the fit."""
    if any(point.thresholds.keys() != fit.curves.keys() for point in points):
        fields.refuse(key, "do not have thresholds for each of the curves' sites, and for no other")
    if fit.granularity == "layer" and any(len(values) > 1 for point in points for values in point.thresholds.values()):
        fields.refuse(key, "have several thresholds for a site, which the granularity 'layer' does not")


def _point(fields: Fields) -> OperatingPoint:
    point = read_point(fields)
    fields.done()
    return point


def _curve(fields: Fields) -> Mapping[str, Any]:
    curve: dict[str, Any] = {"curve": fields.text("curve")}
    if curve["curve"] not in ("measured", "sigmoid"):
        fields.refuse("curve", "is neither 'measured' nor 'sigmoid'")
    for key in fields.names():
        if key == "reason":
            curve[key] = fields.text(key)
        elif key in ("error", "macs"):
            curve[key] = fields.numbers(key, 4)
    fields.done()
    return curve
