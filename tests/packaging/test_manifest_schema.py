"""Manifests that strangers wrote: each rule of docs/packages.md is kept."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zaponnx.errors import ArtifactError
from zaponnx.packaging.manifest_schema import parse_manifest

Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture
def document(package: Path) -> dict[str, Any]:
    return json.loads((package / "manifest.json").read_text())


def put(*path: str | int, value: Any) -> Edit:
    """An edit that puts a value at a path."""

    def edit(manifest: dict[str, Any]) -> None:
        place: Any = manifest
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return edit


def renamed(path: str) -> Edit:
    """An edit that lists one more file, in its place by order."""

    def edit(manifest: dict[str, Any]) -> None:
        manifest["files"].append({"path": path, "size": 1, "sha256": "0" * 64})
        manifest["files"].sort(key=lambda file: file["path"])

    return edit


def again(manifest: dict[str, Any]) -> None:
    manifest["files"].insert(1, manifest["files"][0])


def same_names(manifest: dict[str, Any]) -> None:
    manifest["models"][1]["name"] = "BOLD"
    manifest["models"][1]["file"] = "BOLD.onnx"
    manifest["models"][1]["test_data"] = ["points/BOLD/test_data_set_0"]


REFUSED: dict[str, tuple[Edit, str]] = {
    "another format": (put("format", value="zip"), "'format' is not 'zaponnx.package'"),
    "another version": (put("version", value=2), "'version' is 2, and this zaponnx reads version 1"),
    "a version of another type": (put("version", value=True), "'version' is no integer from 1"),
    "an unknown key": (put("run", value="rm -rf"), "'run' is unknown"),
    "an unknown key for the terminal": (put("\x1b[2J", value=1), r"'\\x1b\[2J' is unknown"),
    "a key too few": (lambda manifest: manifest.pop("license"), "'license' is missing"),
    "a name that is a path": (put("name", value="../tiny"), "'name' is none"),
    "a name with a line end": (put("name", value="tiny\n"), "'name' is not one line"),
    "a name in other letters": (put("name", value="tіny"), "'name' is none"),
    "a hidden name": (put("name", value=".tiny"), "'name' is none"),
    "a device of Windows": (put("name", value="NUL.x"), "'name' is none"),
    "a name of many letters": (put("name", value="x" * 65), "'name' is none"),
    "a description for the terminal": (put("description", value="\x1b]0;x\x07"), "'description' is not one line"),
    "a description that is turned": (put("description", value="abc\u202egnp.exe"), "'description' is not one line"),
    "a description without end": (
        put("description", value="x" * 5000),
        "'description' is not one line of at most 4096",
    ),
    "tags that are none": (put("tags", value="tiny"), "'tags' is no array"),
    "a tag that is none": (put("tags", value=[["tiny"]]), r"'tags.0' is no string"),
    "files that are none": (put("files", value=[]), "'files' are none"),
    "files that are no array": (put("files", value={}), "'files' is no array"),
    "files without end": (put("files", value=[{}] * 10_001), "'files' are none, or more than 10000"),
    "models that are none": (put("models", value=[]), "'models' are none"),
    "models without end": (put("models", value=[{}] * 101), "'models' are none, or more than 100"),
    "an absolute path": (renamed("/etc/passwd"), "is '/etc/passwd', where a package has no file"),
    "a parent's path": (renamed("../x.onnx"), "is '../x.onnx', where a package has no file"),
    "a parent's path inside": (renamed("points/../../x.onnx"), "where a package has no file"),
    "a path of Windows": (renamed("points\\x.onnx"), "where a package has no file"),
    "a drive of Windows": (renamed("C:x.onnx"), "where a package has no file"),
    "a device as path": (renamed("con.onnx"), "where a package has no file"),
    "an empty part": (renamed("points//test_data_set_0/input_0.pb"), "where a package has no file"),
    "a pickle": (renamed("model.pkl"), "where a package has no file"),
    "code": (renamed("setup.py"), "where a package has no file"),
    "a library elsewhere": (renamed("libevil.so"), "where a package has no file"),
    "a library of another name": (renamed("lib/linux-x86_64/libevil.so"), "where a package has no file"),
    "a path that is composed": (renamed("é.onnx"), "where a package has no file"),
    "a path that is decomposed": (renamed("e\u0301.onnx"), "where a package has no file"),
    "a path with a line end": (renamed("x.onnx\n"), "'files.*path' is not one line"),
    "the manifest itself": (renamed("manifest.json"), "where a package has no file"),
    "a file twice": (again, "'files' have 'README.md' twice"),
    "a file twice but for letters": (renamed("MODEL.onnx"), "'files' have 'model.onnx' twice"),
    "another order": (lambda manifest: manifest["files"].reverse(), "'files' are not in the order of their paths"),
    "a model that nobody lists": (renamed("other.onnx"), "'files' have 'other.onnx', which belongs to nothing"),
    "test data that nobody lists": (renamed("test_data_set_9/input_0.pb"), "which belongs to nothing"),
    "a second input": (renamed("test_data_set_0/input_1.pb"), "which belongs to nothing"),
    "no card": (lambda manifest: manifest["files"].pop(0), "'files' lack 'README.md'"),
    "weights that nobody reads": (
        lambda manifest: [model.update(external_data=[]) for model in manifest["models"]],
        "'files' have 'weights.data', which belongs to nothing",
    ),
    "a size of zero": (put("files", 0, "size", value=0), r"'files\[0\].size' is no integer from 1"),
    "a negative size": (put("files", 0, "size", value=-1), "size' is no integer from 1"),
    "a size that is true": (put("files", 0, "size", value=True), "size' is no integer from 1"),
    "a size in text": (put("files", 0, "size", value="1"), "size' is no integer from 1"),
    "half a byte": (put("files", 0, "size", value=1.5), "size' is no integer from 1"),
    "a size without end": (put("files", 0, "size", value=10**100), "size' is no integer from 1 to"),
    "a hash in capitals": (put("files", 0, "sha256", value="A" * 64), "is no SHA-256 in hexadecimal"),
    "a hash that is short": (put("files", 0, "sha256", value="a" * 63), "is no SHA-256 in hexadecimal"),
    "a hash with a line end": (put("files", 0, "sha256", value="a" * 64 + "\n"), "is not one line"),
    "a model elsewhere": (put("models", 1, "file", value="x.onnx"), "file' is not 'careful.onnx'"),
    "a default elsewhere": (put("models", 0, "file", value="bold.onnx"), "file' is not 'model.onnx'"),
    "two defaults": (put("models", 1, value=None), r"'models\[1\]' is no JSON object"),
    "models of one name": (same_names, "'models' have the name 'BOLD' twice"),
    "weights elsewhere": (put("models", 0, "external_data", value=["../x"]), "are in another file than 'weights.data'"),
    "no test data": (put("models", 0, "test_data", value=[]), "'models.0..test_data' are none"),
    "test data elsewhere": (put("models", 0, "test_data", value=["/tmp"]), "are none, or not where"),
    "test data twice": (put("models", 0, "test_data", value=["test_data_set_0"] * 2), "are none, or not where"),
    "a dim that is true": (put("models", 0, "inputs", 0, "shape", value=[True]), "has other dims than"),
    "a dim for the terminal": (put("models", 0, "inputs", 0, "shape", value=["\x1b"]), "has other dims than"),
    "a shape that is none": (put("models", 0, "inputs", 0, "shape", value=3), "has other dims than"),
    "a type that is none": (put("models", 0, "inputs", 0, "type", value=1), "type' is no string"),
    "an accuracy above 1": (
        put("models", 0, "accuracy", "model", "top1", value=1.1),
        "is no finite number from 0 to 1",
    ),
    "an accuracy in text": (put("models", 0, "accuracy", "model", "top1", value="1"), "is no finite number"),
    "a saving above 1": (put("models", 0, "accuracy", "mac_saved", value=2), "is no finite number from 0 to 1"),
    "a speed below 0": (put("models", 0, "speed", "runs", 0, "speedup", value=-1), "is no finite number from 0"),
    "an error below 0": (put("models", 0, "operating_point", "error", value=-1), "is no finite number from 0"),
    "provenance that is deep": (put("models", 0, "provenance", "x", value={"y": 1}), "provenance.x' is no string"),
}


@pytest.mark.parametrize(("edit", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_hostile_manifests(document: dict[str, Any], edit: Edit, problem: str) -> None:
    parse_manifest(json.dumps(document), "verify", "tiny")
    edit(document)
    with pytest.raises(ArtifactError, match=problem) as caught:
        parse_manifest(json.dumps(document), "verify", "tiny")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not valid JSON"),
        ("[]", "the file is no JSON object"),
        ("{" * 100_000, "not valid JSON"),
        ('{"format": ' + "[" * 100_000, "not valid JSON"),
        ('{"version": 1, "version": 1}', "a key is repeated"),
        ('{"version": NaN}', "NaN is no JSON number"),
        ('{"version": -Infinity}', "-Infinity is no JSON number"),
        ('{"version": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"format": "zaponnx.package", "version": 1e400}', "'version' is no integer from 1"),
        (b'{"format": "\xff"}', "not valid JSON"),
        ("{}".encode("utf-16"), "not valid JSON"),
        ("{}".encode("utf-16-le"), "not valid JSON"),
        ("{}".encode("utf-32"), "not valid JSON"),
        ("{}".encode("utf-8-sig"), "not valid JSON"),
    ],
)
def test_what_is_no_sound_json(text: str | bytes, problem: str) -> None:
    with pytest.raises(ArtifactError, match=problem):
        parse_manifest(text, "verify", "tiny")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none(document: dict[str, Any], number: str) -> None:
    text = json.dumps(document).replace('"speedup": ', f'"speedup": {number}, "was": ', 1)
    with pytest.raises(ArtifactError, match=r"is no JSON number|is no finite number"):
        parse_manifest(text, "verify", "tiny")


def test_a_manifest_is_written_as_it_is_read(document: dict[str, Any], package: Path) -> None:
    text = (package / "manifest.json").read_text()
    manifest = parse_manifest(text, "verify", "tiny")
    assert manifest.text() == text
    assert parse_manifest(json.dumps(copy.deepcopy(document), indent=7), "verify", "tiny") == manifest
