"""Packages in directories: what is in them beside, instead of, or other than what the manifest says."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import zaponnx
from zaponnx.errors import ArtifactError


def link(package: Path) -> None:
    (package / "README.md").unlink()
    (package / "README.md").symlink_to("/etc/hostname")


def linked_folder(package: Path) -> None:
    (package / "test_data_set_0").rename(package.parent / "elsewhere")
    (package / "test_data_set_0").symlink_to(package.parent / "elsewhere")


def linked_manifest(package: Path) -> None:
    (package / "manifest.json").rename(package.parent / "manifest.json")
    (package / "manifest.json").symlink_to(package.parent / "manifest.json")


def listening(package: Path) -> None:
    (package / "README.md").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(package / "README.md"))


def pipe(package: Path) -> None:
    (package / "README.md").unlink()
    os.mkfifo(package / "README.md")


def folder(package: Path) -> None:
    (package / "README.md").unlink()
    (package / "README.md").mkdir()


def changed(package: Path) -> None:
    content = (package / "model.onnx").read_bytes()
    (package / "model.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link": (link, "'README.md' is a link"),
    "a link to a folder": (linked_folder, "'test_data_set_0' is a link"),
    "a link as manifest": (linked_manifest, "there is no file 'manifest.json'"),
    "a socket": (listening, "'README.md' is not in the manifest, or no ordinary file"),
    "a pipe": (pipe, "'README.md' is not in the manifest, or no ordinary file"),
    "a folder": (folder, "'README.md' is not in the manifest, or no ordinary file"),
    "another folder": (lambda package: (package / "more").mkdir(), "'more' is not in the manifest"),
    "another file": (lambda package: (package / "lib.so").touch(), "'lib.so' is not in the manifest"),
    "a hidden file": (lambda package: (package / "points" / ".x").touch(), "'points/.x' is not in the manifest"),
    "a name for the terminal": (lambda package: (package / "\x1b[2J").touch(), r"'\\x1b\[2J' is not in the manifest"),
    "capital letters": (lambda package: (package / "readme.md").touch(), "'readme.md' is not in the manifest"),
    "no README": (lambda package: (package / "README.md").unlink(), "'README.md' is missing"),
    "no manifest": (lambda package: (package / "manifest.json").unlink(), "is no package"),
    "a longer file": (
        lambda package: (package / "README.md").write_text("another"),
        "'README.md' has 7 bytes, not [0-9]+ as the manifest says",
    ),
    "another byte": (changed, "'model.onnx' does not have the SHA-256 that the manifest says"),
    "a long manifest": (
        lambda package: (package / "manifest.json").write_bytes(b" " * (1 << 20) + b"{}"),
        "its manifest has 1048578 bytes",
    ),
}


@pytest.mark.parametrize(("spoil", "problem"), SPOILED.values(), ids=SPOILED.keys())
def test_spoiled_directories(package: Path, spoil: Callable[[Path], object], problem: str) -> None:
    spoil(package)
    for read in (lambda: zaponnx.verify(package), lambda: zaponnx.unpack(package, package.parent / "out")):
        with pytest.raises(ArtifactError, match=problem) as caught:
            read()
        assert str(caught.value).isprintable()
        assert not (package.parent / "out").exists()


def test_a_package_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nowhere: no such package"):
        zaponnx.verify(tmp_path / "nowhere")


def test_a_forged_model_is_refused_where_it_leaves_the_package(package: Path, reseal) -> None:
    """Its external data would be read from a file that is not in the package."""
    (package.parent / "secret123").write_bytes((package / "weights.data").read_bytes())
    model = (package / "model.onnx").read_bytes()
    (package / "model.onnx").write_bytes(model.replace(b"weights.data", b"../secret123"))
    reseal(package)
    for read in (lambda: zaponnx.verify(package), lambda: zaponnx.unpack(package, package.parent / "out")):
        with pytest.raises(zaponnx.errors.ModelError, match="is outside the model's directory"):
            read()


def test_a_forged_model_is_refused_where_it_reads_another_file(package: Path, reseal) -> None:
    model = (package / "model.onnx").read_bytes()
    (package / "model.onnx").write_bytes(model.replace(b"weights.data", b"careful.onnx"))
    reseal(package)
    with pytest.raises(ArtifactError, match="its external_data is not what the manifest says"):
        zaponnx.unpack(package, package.parent / "out")
    assert not (package.parent / "out").exists()
