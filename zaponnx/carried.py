"""What a converted model carries in its metadata, to be stripped and retuned: writes and reads it.

`zaponnx.dense` holds the originals of what the passes took out of the graph; `zaponnx.retuning` the calibration and the
fit as far as a model needs them: without what was recorded for people, and with hulls in place of histograms.
`docs/artifacts.md` specifies both. The numbers are those of the artifacts; but thresholds are float32, as in a ZapConv.
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import uses_external_data
from safetensors import SafetensorError
from safetensors.numpy import load, save

from zaponnx.artifact_files import written_by
from zaponnx.artifact_schema import FIT_FORMAT, Arrays, calibration_of, calibration_parts, fit_of
from zaponnx.artifacts import FIT_VERSION, SINGLE, Calibration, Fit, SiteCalibration, decimals
from zaponnx.calib.hulls import Hull
from zaponnx.chosen_point import ChosenPoint, UsedData
from zaponnx.errors import ModelError
from zaponnx.graph.converted import is_converted, read_metadata
from zaponnx.graph.originals import FIELDS, Originals
from zaponnx.json_fields import Fields, json_thresholds, parse_json
from zaponnx.provenance import recorded_settings

CARRIED = (DENSE, RETUNING) = ("dense", "retuning")
"""The metadata's keys, without their prefix."""

CARRIED_VERSION = 3

_POINT = ("epsilon", "error", "mac_saved")
_HULL = ("rows", "thresholds", "error", "saved")
_LARGEST_TENSORS = 2**30  # bytes, of what is unpacked


def carried_metadata(removed: Originals, calibration: Calibration, fit: Fit, hulls: Sequence[Hull]) -> dict[str, str]:
    """The metadata that let a converted model be stripped and retuned.

    Args:
        removed: What the model lacks of the dense one.
        calibration, fit: Its artifacts.
        hulls: Those of the calibration's sites, in their order and with the fit's granularity.
    """
    dense = {
        "version": CARRIED_VERSION,
        "places": {field: list(places) for field, places in removed.places.items()},
        "parts": _base64(removed.parts.SerializeToString(deterministic=True)),
    }
    sites = tuple(
        replace(site, counts=site.counts[:0], values=site.values[:0], magnitudes=None, blocks=None, worths=None)
        for site in calibration.sites
    )
    header, arrays = calibration_parts(replace(calibration, sites=sites, settings=recorded_settings(calibration)))
    for index, hull in enumerate(hulls):
        arrays |= {f"sites.{index}.hull.{name}": getattr(hull, name) for name in _HULL}
    points = [*fit.points, *([fit.chosen.point] if fit.chosen else [])]
    rows = [[value for site in sites for value in point.thresholds[site.output]] for point in points]
    arrays["thresholds"] = np.array(rows, np.float32)
    arrays |= {name: np.array([getattr(point, name) for point in points], np.float64) for name in _POINT}
    retuning = {
        "version": CARRIED_VERSION,
        "calibration": header,
        "calibration_sha256": fit.calibration_sha256,
        "method": fit.method,
        "granularity": fit.granularity,
        "objective": fit.objective,
        "block": fit.block,
        "chosen": _without_numbers(fit.chosen) if fit.chosen else None,
        "tensors": _base64(zlib.compress(save(arrays))),
    }
    return {DENSE: json.dumps(dense), RETUNING: json.dumps(retuning)}


@written_by("convert")
def read_originals(model: onnx.ModelProto, phase: str, where: str) -> Originals:
    """The originals that a converted model carries.

    Args:
        model: The model.
        phase: The step on whose behalf they are read, for error messages.
        where: The model's file, for error messages.

    Raises:
        ModelError: The model is not converted, or was by a version that let it carry nothing.
        ArtifactError: What it carries is damaged or of an unknown version.
    """
    fields = _fields(model, DENSE, phase, where)
    parts = onnx.GraphProto()
    try:
        parts.ParseFromString(fields.bytes("parts"))
    except DecodeError:
        fields.refuse("parts", "are damaged")
    if any(map(uses_external_data, parts.initializer)):
        fields.refuse("parts", "refer to other files")
    places = fields.object("places")
    found = Originals(parts, {field: places.integers(field, len(getattr(parts, field))) for field in FIELDS})
    places.done()
    fields.done()
    return found


@written_by("convert")
def read_artifacts(model: onnx.ModelProto, phase: str, where: str) -> tuple[Calibration, Fit, list[Hull]]:
    """The calibration, without histograms, the fit and the hulls that a converted model carries.

    Arguments and errors as in `read_originals`.
    """
    fields = _fields(model, RETUNING, phase, where)
    granularity = fields.text("granularity")
    try:
        arrays = load(_unpacked(fields.bytes("tensors")))
        hull_arrays = {name: arrays.pop(name) for name in list(arrays) if ".hull." in name}
        columns = [arrays.pop(name).tolist() for name in _POINT] + [decimals(arrays.pop("thresholds")).tolist()]
        calibration = calibration_of(fields.object("calibration"), arrays, histograms=False)
        outputs = [site.output for site in calibration.sites]
        hulls = [_hull(site, hull_arrays, index) for index, site in enumerate(calibration.sites)]
        sizes = [site.channels if granularity == "channel" else 1 for site in calibration.sites]
        if hull_arrays or [hull.size for hull in hulls] != sizes:
            raise ValueError("the hulls are of other sites")
        points = [
            dict(zip(_POINT, point, strict=True)) | {"thresholds": dict(zip(outputs, _split(row, sizes), strict=True))}
            for *point, row in zip(*columns, strict=True)
        ]
    except (SafetensorError, zlib.error, KeyError, TypeError, ValueError):
        fields.refuse("tensors", "are damaged")
    document = {
        "format": FIT_FORMAT,
        "version": FIT_VERSION,
        "model_sha256": calibration.model_sha256,
        "calibration_sha256": fields.text("calibration_sha256"),
        "method": fields.text("method"),
        "granularity": granularity,
        "objective": fields.text("objective"),
        "block": fields.text("block") if "block" in fields.names() else SINGLE,
        "points": points,
        "curves": {output: {"curve": "measured"} for output in outputs},
        "calibrated_on": asdict(used) if (used := UsedData.by_calibration(calibration.settings)) else None,
        "chosen": None,
    }
    if not fields.absent("chosen") and points:
        document["chosen"] = {**fields.object("chosen").rest(), **points.pop()}
    fields.done()
    return calibration, fit_of(Fields(document, phase, _place(where, RETUNING))), hulls


def _without_numbers(chosen: ChosenPoint) -> dict[str, Any]:
    """What is carried of a chosen point beside the tensors, in which it is the last one."""
    return {name: value for name, value in chosen.to_json().items() if name not in _POINT}


def _unpacked(content: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(content, _LARGEST_TENSORS)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("the tensors do not end where they should")
    return unpacked


def _hull(site: SiteCalibration, arrays: Arrays, index: int) -> Hull:
    """Takes a site's hull."""
    return Hull(
        site.output, site.macs, site.weight, **{name: arrays.pop(f"sites.{index}.hull.{name}") for name in _HULL}
    )


def _split(row: Sequence[float], sizes: Sequence[int]) -> list[list[float | str]]:
    """A point's thresholds, by site, as JSON has them."""
    ends = list(itertools.accumulate(sizes, initial=0))
    if ends[-1] != len(row):
        raise ValueError("the thresholds are of other sites")
    return [json_thresholds(row[start:end]) for start, end in itertools.pairwise(ends)]


def _fields(model: onnx.ModelProto, key: str, phase: str, where: str) -> Fields:
    """One entry, its version checked."""
    if not is_converted(model):
        raise ModelError(phase, "it is not converted", where=where, remedy="give a model that zaponnx convert wrote")
    text = read_metadata(model).get(key)
    if text is None:
        problem = f"it does not carry zaponnx.{key}: another version of zaponnx converted it, or it was edited"
        raise ModelError(phase, problem, where=where, remedy="convert the original model again")
    fields = parse_json(text, phase, _place(where, key))
    version = fields.integer("version")
    if version != CARRIED_VERSION:
        fields.refuse("version", f"is {version}, and this zaponnx reads version {CARRIED_VERSION}")
    return fields


def _place(where: str, key: str) -> str:
    return f"{where}, zaponnx.{key}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
