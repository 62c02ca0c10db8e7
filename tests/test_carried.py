"""What converted models carry: read back as it was written; everything else is refused with a sentence."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import load, save

from zaponnx.carried import read_artifacts, read_originals
from zaponnx.errors import ArtifactError
from zaponnx.models import load_model

Document = dict[str, Any]
Edit = Callable[[Document], None]


@pytest.fixture
def refused(small) -> Callable[[str, Edit, str], None]:
    """Asserts that a converted model is refused: refused(key, edit of the entry's JSON, problem)."""

    def check(key: str, edit: Edit, problem: str) -> None:
        model = load_model(small.converted, "test")
        entry = next(entry for entry in model.metadata_props if entry.key == f"zaponnx.{key}")
        document = json.loads(entry.value)
        edit(document)
        entry.value = json.dumps(document)
        assert_refused(model, key, problem)

    return check


def assert_refused(model: onnx.ModelProto, key: str, problem: str) -> None:
    read = read_originals if key == "dense" else read_artifacts
    with pytest.raises(ArtifactError, match=problem) as caught:
        read(model, "retune", "m.onnx")
    text = str(caught.value)
    assert text.startswith(f"retune: m.onnx, zaponnx.{key}: ")
    assert text.endswith("; give the file that zaponnx convert wrote, or run it again")
    assert "\n" not in text


def setting(name: str, value: Any) -> Edit:
    return lambda document: document.update({name: value})


def removing(name: str) -> Edit:
    return lambda document: document.pop(name)


def in_places(field: str, value: Any) -> Edit:
    return lambda document: document["places"].update({field: value})


def with_parts(change: Callable[[onnx.GraphProto], Any]) -> Edit:
    def edit(document: Document) -> None:
        parts = onnx.GraphProto.FromString(base64.b64decode(document["parts"]))
        change(parts)
        document["parts"] = base64.b64encode(parts.SerializeToString()).decode()

    return edit


def with_external_tensor(parts: onnx.GraphProto) -> None:
    tensor = parts.initializer.add(name="secret", data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (setting("version", 2), "'version' is 2, and this zaponnx reads version 3"),
        (setting("more", 1), "'more' is unknown"),
        (removing("parts"), "'parts' is missing"),
        (setting("parts", 7), "'parts' is no string"),
        (setting("parts", "*"), "'parts' is not in base64"),
        (setting("parts", "AAAA"), "'parts' are damaged"),
        (with_parts(with_external_tensor), "'parts' refer to other files"),
        (with_parts(lambda parts: parts.node.pop()), "'places.node' has not 1 entries"),
        (in_places("node", [0, -1]), "'places.node.1' is no integer from 0"),
        (in_places("node", [0, 1.5]), "'places.node.1' is no integer from 0"),
        (in_places("node", 3), "'places.node' is no array"),
        (in_places("edges", []), "'places.edges' is unknown"),
    ],
)
def test_damaged_originals(refused, edit: Edit, problem: str) -> None:
    refused("dense", edit, problem)


def in_calibration(name: str, value: Any) -> Edit:
    return lambda document: document["calibration"].update({name: value})


def with_tensors(change: Callable[[dict[str, Any]], Any]) -> Edit:
    def edit(document: Document) -> None:
        arrays = load(zlib.decompress(base64.b64decode(document["tensors"])))
        change(arrays)
        document["tensors"] = base64.b64encode(zlib.compress(save(arrays))).decode()

    return edit


def with_packed(change: Callable[[bytes], bytes]) -> Edit:
    def edit(document: Document) -> None:
        document["tensors"] = base64.b64encode(change(base64.b64decode(document["tensors"]))).decode()

    return edit


def tensor(name: str, change: Callable[[Any], Any]) -> Edit:
    return with_tensors(lambda arrays: arrays.update({name: np.ascontiguousarray(change(arrays[name]))}))


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (setting("version", 2), "'version' is 2, and this zaponnx reads version 3"),
        (setting("more", 1), "'more' is unknown"),
        (removing("method"), "'method' is missing"),
        (setting("method", "guess"), "'method' is neither"),
        (setting("calibration_sha256", "0"), "'calibration_sha256' is no SHA-256"),
        (setting("calibration", []), "'calibration' is no JSON object"),
        (in_calibration("model_sha256", "0"), r"'calibration.model_sha256' is no SHA-256"),
        (in_calibration("pattern", "Z"), r"'calibration.pattern' is none"),
        (in_calibration("sites", []), r"'calibration.sites' are none"),
        (setting("tensors", "*"), "'tensors' is not in base64"),
        (setting("tensors", "AAAA"), "'tensors' are damaged"),
        (with_tensors(lambda arrays: arrays.pop("epsilon")), "'tensors' are damaged"),
        (with_tensors(lambda arrays: arrays.pop("sites.0.P1")), r"'calibration.sites\[0\].P1' is missing"),
        (tensor("sites.0.p2", lambda values: values * np.nan), "has values that are not finite"),
        (
            with_tensors(lambda arrays: arrays.update({"sites.0.counts": np.ones((1, 347), np.int64)})),
            r"not int64 \(0, ",
        ),
        (setting("granularity", "pixel"), "'tensors' are damaged"),
        (setting("granularity", "layer"), "'tensors' are damaged"),
        (with_tensors(lambda arrays: arrays.pop("sites.0.hull.rows")), "'tensors' are damaged"),
        (tensor("sites.0.hull.rows", lambda values: np.zeros_like(values)), "'tensors' are damaged"),
        (tensor("sites.0.hull.rows", lambda values: values.astype(np.int64)), "'tensors' are damaged"),
        (tensor("sites.0.hull.error", lambda values: values * np.nan), "'tensors' are damaged"),
        (
            with_tensors(lambda arrays: arrays.update({"sites.1.hull.rows": np.zeros(1, np.int32)})),
            "'tensors' are damaged",
        ),
        (with_packed(lambda packed: packed[:-1]), "'tensors' are damaged"),
        (with_packed(lambda packed: packed + b"more"), "'tensors' are damaged"),
        (with_packed(lambda packed: zlib.compress(bytes(2**30 + 1))), "'tensors' are damaged"),
        (tensor("thresholds", lambda values: values[:-1]), "'tensors' are damaged"),
        (tensor("thresholds", lambda values: values.repeat(2, axis=1)), "'tensors' are damaged"),
        (tensor("thresholds", lambda values: values[:, 0]), "'tensors' are damaged"),
        (
            tensor("thresholds", lambda values: values * np.nan),
            r"'points\[0\].thresholds.active' has not one or more numbers",
        ),
        (tensor("epsilon", lambda values: values[::-1]), "'points' are not in the order of epsilon"),
        (tensor("mac_saved", lambda values: values + 2), r"'points\[0\].mac_saved' is no finite number"),
        (tensor("error", lambda values: values + np.inf), r"'points\[0\].error' is no finite number"),
        (removing("chosen"), "'chosen' is missing"),
        (setting("chosen", {}), r"'chosen.goal' is missing"),
        (setting("chosen", [1]), r"'chosen' is no JSON object"),
    ],
)
def test_damaged_artifacts(refused, edit: Edit, problem: str) -> None:
    refused("retuning", edit, problem)


@pytest.mark.parametrize("key", ["dense", "retuning"])
@pytest.mark.parametrize("text", ["", "[1]", "{", '{"version": NaN}', '{"version": 1, "version": 1}'])
def test_what_is_no_json_object(small, key: str, text: str) -> None:
    model = load_model(small.converted, "test")
    next(entry for entry in model.metadata_props if entry.key == f"zaponnx.{key}").value = text
    assert_refused(model, key, "JSON|is no")
