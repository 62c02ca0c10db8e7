"""The index of a zoo, an `index.json` beside packages: reads and writes what a static file server can offer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.files import atomic_path
from zaponnx.json_fields import parse_json
from zaponnx.packaging.archive import SUFFIX
from zaponnx.packaging.manifest import Manifest
from zaponnx.packaging.manifest_schema import LARGEST_FILE, manifest_of

INDEX = "index.json"
LARGEST_INDEX = 1 << 26
"""Bytes."""

_FORMAT = "zaponnx.zoo"
_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A package of the zoo.

    Attributes:
        file: The archive's name, beside the index.
        size, sha256: Its bytes, and their SHA-256.
        manifest: What is in it.
    """

    file: str
    size: int
    sha256: str
    manifest: Manifest

    def to_json(self) -> dict[str, Any]:
        """As `index.json` has it."""
        return {**vars(self), "manifest": self.manifest.to_json()}


Index = Mapping[str, Entry]
"""The packages, by their names."""


def archive_name(name: str, sha256: str) -> str:
    """The archive of a package; another content has another name, so that no one gets a mixture of both."""
    return f"{name}-{sha256[:12]}{SUFFIX}"


def parse_index(text: str | bytes, phase: str, where: str) -> Index:
    """Reads an index.

    Raises:
        ArtifactError: It is not sound.
    """
    fields = parse_json(text, phase, where)
    if fields.take("format") != _FORMAT:
        fields.refuse("format", f"is not '{_FORMAT}'")
    version = fields.integer("version")
    if version != _VERSION:
        fields.refuse("version", f"is {version}, and this zaponnx reads version {_VERSION}")
    entries: dict[str, Entry] = {}
    for package in fields.objects("packages"):
        manifest = manifest_of(package.object("manifest"))
        entry = Entry(
            file=package.line("file"),
            size=package.integer("size", high=LARGEST_FILE),
            sha256=package.line("sha256"),
            manifest=manifest,
        )
        if not re.fullmatch("[0-9a-f]{64}", entry.sha256):
            package.refuse("sha256", "is no SHA-256 in hexadecimal")
        if entry.file != archive_name(manifest.name, entry.sha256):
            package.refuse("file", f"is not '{archive_name(manifest.name, entry.sha256)}'")
        if manifest.name in entries:
            fields.refuse("packages", f"have '{manifest.name}' twice")
        package.done()
        entries[manifest.name] = entry
    fields.done()
    return entries


def write_index(index: Index, directory: Path, phase: str) -> None:
    """Writes an index, whole or not at all, in the order of the names.

    Raises:
        ArtifactError: `parse_index` would refuse it.
        OutputError: The system refuses it.
    """
    packages = [index[name].to_json() for name in sorted(index)]
    document = {"format": _FORMAT, "version": _VERSION, "packages": packages}
    text = json.dumps(document, allow_nan=False, indent=1, sort_keys=True) + "\n"
    parse_index(text, phase, str(directory / INDEX))
    with atomic_path(directory / INDEX, phase) as temporary:
        temporary.write_text(text, encoding="utf-8")
