"""The manifest's schema: reads the JSON that strangers wrote, gives a Manifest, or says what is not sound.

`docs/packages.md` specifies the format and the refusals. What is written passes the same checks as what is read.
"""

from __future__ import annotations

import re
from typing import Any

from zaponnx.json_fields import Fields, parse_json
from zaponnx.packaging import paths
from zaponnx.packaging.manifest import (
    FORMAT,
    VERSION,
    ChosenPoint,
    Description,
    Manifest,
    PackedFile,
    PackedModel,
    Port,
)
from zaponnx.packaging.measured import accuracy_of, speed_of

LARGEST_MANIFEST = 1 << 20
"""Bytes."""

LARGEST_FILE = 1 << 40
"""Bytes; a number above this is no size."""

_MOST_FILES = 10_000
_MOST_MODELS = 100


def parse_manifest(text: str | bytes, phase: str, where: str) -> Manifest:
    """Reads a manifest.

    Raises:
        ArtifactError: It is not sound.
    """
    return manifest_of(parse_json(text, phase, where))


def manifest_of(fields: Fields) -> Manifest:
    """A manifest from its JSON object, all of which is taken.

    Raises:
        ArtifactError: It is not sound, or contradicts itself.
    """
    if fields.take("format") != FORMAT:
        fields.refuse("format", f"is not '{FORMAT}'")
    version = fields.integer("version")
    if version != VERSION:
        fields.refuse("version", f"is {version}, and this zaponnx reads version {VERSION}")
    name = _name(fields)
    files, models = fields.objects("files"), fields.objects("models")
    if not 0 < len(files) <= _MOST_FILES:
        fields.refuse("files", f"are none, or more than {_MOST_FILES}")
    if not 0 < len(models) <= _MOST_MODELS:
        fields.refuse("models", f"are none, or more than {_MOST_MODELS}")
    manifest = Manifest(
        name=name,
        zaponnx=fields.line("zaponnx"),
        description=fields.line("description"),
        license=fields.line("license"),
        tags=tuple(fields.lines("tags")),
        test_inputs=fields.line("test_inputs"),
        models=tuple(_model(model, first=index == 0) for index, model in enumerate(models)),
        files=tuple(map(_file, files)),
    )
    fields.done()
    _check_paths(fields, manifest)
    return manifest


def _name(fields: Fields) -> str:
    name = fields.line("name")
    if not paths.is_name(name):
        fields.refuse("name", "is none: of ASCII letters, digits, '.', '_' and '-', 64 at most, no '.' at an end")
    return name


def _file(fields: Fields) -> PackedFile:
    file = PackedFile(fields.line("path"), fields.integer("size", high=LARGEST_FILE), _sha256(fields, "sha256"))
    if not paths.is_path(file.path):
        fields.refuse("path", f"is '{file.path[:100]}', where a package has no file")
    fields.done()
    return file


def _sha256(fields: Fields, key: str) -> str:
    text = fields.line(key)
    if not re.fullmatch("[0-9a-f]{64}", text):
        fields.refuse(key, "is no SHA-256 in hexadecimal")
    return text


def _model(fields: Fields, *, first: bool) -> PackedModel:
    model = PackedModel(
        name=_name(fields),
        file=fields.line("file"),
        source_sha256=_sha256(fields, "source_sha256"),
        description=Description(
            opset=fields.integer("opset"),
            ir_version=fields.integer("ir_version"),
            external_data=tuple(fields.lines("external_data")),
            inputs=_ports(fields, "inputs"),
            outputs=_ports(fields, "outputs"),
            operating_point=None if fields.absent("operating_point") else _point(fields.object("operating_point")),
            provenance=_provenance(fields.object("provenance")),
        ),
        test_data=tuple(fields.lines("test_data")),
        accuracy=None if fields.absent("accuracy") else accuracy_of(fields.object("accuracy")),
        speed=None if fields.absent("speed") else speed_of(fields.object("speed")),
    )
    if model.file != paths.model_path(model.name, first=first):
        fields.refuse("file", f"is not '{paths.model_path(model.name, first=first)}'")
    if model.description.external_data not in ((), (paths.WEIGHTS,)):
        fields.refuse("external_data", f"are in another file than '{paths.WEIGHTS}'")
    sets = tuple(paths.test_data_path(model.name, index, first=first) for index in range(len(model.test_data)))
    if not sets or model.test_data != sets:
        fields.refuse("test_data", "are none, or not where a package has them")
    fields.done()
    return model


def _ports(fields: Fields, key: str) -> tuple[Port, ...]:
    ports = []
    for port in fields.objects(key):
        dims = port.array("shape")
        if not all(map(_is_dim, dims)):
            port.refuse("shape", "has other dims than numbers from 0, names and null")
        ports.append(Port(port.line("name"), port.line("type"), tuple(dims)))
        port.done()
    return tuple(ports)


def _is_dim(dim: Any) -> bool:
    if isinstance(dim, str):
        return dim.isprintable()
    return dim is None or (isinstance(dim, int) and not isinstance(dim, bool) and 0 <= dim < LARGEST_FILE)


def _point(fields: Fields) -> ChosenPoint:
    point = ChosenPoint(fields.number("epsilon", 0), fields.number("error", 0), fields.number("mac_saved", 0, 1))
    fields.done()
    return point


def _provenance(fields: Fields) -> dict[str, str]:
    return {key: fields.line(key) for key in fields.names()}


def _check_paths(fields: Fields, manifest: Manifest) -> None:
    """Refuses files that are listed twice, that a model lacks, or that nothing needs."""
    listed = [file.path for file in manifest.files]
    if listed != sorted(listed):
        fields.refuse("files", "are not in the order of their paths")
    if name := paths.twice(listed):
        fields.refuse("files", f"have '{name}' twice, if not with the same capital letters")
    if name := paths.twice(model.name for model in manifest.models):
        fields.refuse("models", f"have the name '{name}' twice, if not with the same capital letters")
    if len({model.file for model in manifest.models}) < len(manifest.models):
        fields.refuse("models", f"are two of '{paths.FIRST_MODEL}'")
    optional = {paths.REPORT, *map(paths.library_file, paths.PLATFORMS)}
    needed = {paths.CARD, *(model.file for model in manifest.models)}
    for model in manifest.models:
        needed.update(model.description.external_data)
        for directory in model.test_data:
            for kind, ports in (("input", model.description.inputs), ("output", model.description.outputs)):
                needed.update(f"{directory}/{kind}_{index}.pb" for index in range(len(ports)))
    if missing := min(needed.difference(listed), default=""):
        fields.refuse("files", f"lack '{missing}'")
    if extra := min(set(listed) - needed - optional, default=""):
        fields.refuse("files", f"have '{extra}', which belongs to nothing in the package")
