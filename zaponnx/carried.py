"""What a converted model carries in its metadata, to be stripped and retuned: writes and reads it.

`zaponnx.dense` holds the originals of what the passes took out of the graph; `zaponnx.retuning` the calibration and the
fit as far as a model needs them: without what was recorded for people, and with histograms summed over the channels.
`docs/artifacts.md` specifies both. The numbers are those of the artifacts; but thresholds are float32, as in a ZapConv.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import uses_external_data
from safetensors import SafetensorError
from safetensors.numpy import load, save

from zaponnx.artifact_files import written_by
from zaponnx.artifact_schema import FIT_FORMAT, calibration_of, calibration_parts, fit_of
from zaponnx.artifacts import FIT_VERSION, Calibration, Fit
from zaponnx.errors import ModelError
from zaponnx.graph.converted import is_converted, read_metadata
from zaponnx.graph.originals import FIELDS, Originals
from zaponnx.json_fields import Fields, parse_json
from zaponnx.provenance import recorded_settings

CARRIED = (DENSE, RETUNING) = ("dense", "retuning")
"""The metadata's keys, without their prefix."""

CARRIED_VERSION = 1

_POINT = ("epsilon", "error", "mac_saved")


def carried_metadata(removed: Originals, calibration: Calibration, fit: Fit) -> dict[str, str]:
    """The metadata that let a converted model be stripped and retuned.

    Args:
        removed: What the model lacks of the dense one.
        calibration, fit: Its artifacts.
    """
    dense = {
        "version": CARRIED_VERSION,
        "places": {field: list(places) for field, places in removed.places.items()},
        "parts": _base64(removed.parts.SerializeToString(deterministic=True)),
    }
    sites = tuple(
        replace(
            site,
            counts=site.counts.sum(axis=0, keepdims=True),
            values=site.values.sum(axis=0, keepdims=True),
            magnitudes=None,
        )
        for site in calibration.sites
    )
    header, arrays = calibration_parts(replace(calibration, sites=sites, settings=recorded_settings(calibration)))
    thresholds = [[point.thresholds[site.output] for site in sites] for point in fit.points]
    arrays["thresholds"] = np.array(thresholds, np.float32).reshape(len(fit.points), len(sites))
    arrays |= {name: np.array([getattr(point, name) for point in fit.points], np.float64) for name in _POINT}
    retuning = {
        "version": CARRIED_VERSION,
        "calibration": header,
        "calibration_sha256": fit.calibration_sha256,
        "method": fit.method,
        "tensors": _base64(save(arrays)),
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
def read_artifacts(model: onnx.ModelProto, phase: str, where: str) -> tuple[Calibration, Fit]:
    """The calibration, its histograms summed over the channels, and the fit that a converted model carries.

    Arguments and errors as in `read_originals`.
    """
    fields = _fields(model, RETUNING, phase, where)
    try:
        arrays = load(fields.bytes("tensors"))
        columns = [arrays.pop(name).tolist() for name in (*_POINT, "thresholds")]
        header = fields.object("calibration")
        calibration = calibration_of(header, arrays, summed=True)
        outputs = [site.output for site in calibration.sites]
        points = [
            dict(zip(_POINT, point, strict=True)) | {"thresholds": dict(zip(outputs, _json(row), strict=True))}
            for *point, row in zip(*columns, strict=True)
        ]
    except (SafetensorError, KeyError, TypeError, ValueError):
        fields.refuse("tensors", "are damaged")
    document = {
        "format": FIT_FORMAT,
        "version": FIT_VERSION,
        "model_sha256": calibration.model_sha256,
        "calibration_sha256": fields.text("calibration_sha256"),
        "method": fields.text("method"),
        "points": points,
        "curves": {output: {"curve": "measured"} for output in outputs},
    }
    fields.done()
    return calibration, fit_of(Fields(document, phase, _place(where, RETUNING)))


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


def _json(thresholds: list[float]) -> list[float | str]:
    return [str(value) if math.isinf(value) else value for value in thresholds]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
