"""zoo list, add and get: over directories and file: URLs, and what indexes and zoos are refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import zaponnx
from tests.packaging.zoos import archive_of, edit_index
from zaponnx.errors import ArtifactError, InvalidArgument
from zaponnx.files import sha256
from zaponnx.packaging.native import this_platform


def test_a_zoo_is_an_index_and_archives(zoo: Path, archive: Path) -> None:
    index = json.loads((zoo / "index.json").read_text())
    (entry,) = index["packages"]
    assert {path.name for path in zoo.iterdir()} == {"index.json", entry["file"]}
    assert entry["file"] == f"tiny-{entry['sha256'][:12]}.tar.gz"
    assert entry["sha256"] == sha256(zoo / entry["file"])
    assert (zoo / entry["file"]).read_bytes() == archive.read_bytes()
    assert entry["size"] == archive.stat().st_size
    assert [model["name"] for model in entry["manifest"]["models"]] == ["bold", "careful"]


def test_a_directory_is_added_as_the_archive_that_pack_would_write(
    package: Path, archive: Path, tmp_path: Path
) -> None:
    (tmp_path / "zoo").mkdir()
    (entry,) = zaponnx.zoo_add(tmp_path / "zoo", [package]).entries
    assert entry.sha256 == sha256(archive)
    again = zaponnx.zoo_add(tmp_path / "zoo", [archive])
    assert again.entries == (entry,)
    assert zaponnx.zoo_list(tmp_path / "zoo").entries == (entry,)


def test_packages_are_listed_by_name_and_tag(zoo: Path, small) -> None:
    zaponnx.pack([small.converted], zoo.parent / "a.tar.gz", tags=["random"])
    zaponnx.zoo_add(zoo, [zoo.parent / "a.tar.gz"])
    assert [entry.manifest.name for entry in zaponnx.zoo_list(zoo).entries] == ["a", "tiny"]
    assert [entry.manifest.name for entry in zaponnx.zoo_list(zoo, tag=["random"]).entries] == ["a", "tiny"]
    assert [entry.manifest.name for entry in zaponnx.zoo_list(zoo, tag=["tiny", "random"]).entries] == ["tiny"]
    assert zaponnx.zoo_list(zoo, tag=["none"]).entries == ()


def test_two_that_add_at_the_same_time_both_stay(zoo: Path, small, monkeypatch) -> None:
    archives = [zoo.parent / f"{name}.tar.gz" for name in ("a", "b")]
    for path in archives:
        zaponnx.pack([small.converted], path)
    both = threading.Barrier(2)

    def check_together(*_: object) -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.5)  # for another one between its reading and writing of the index, if that may be

    monkeypatch.setattr("zaponnx.packaging.zoo_commands.check_models", check_together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: zaponnx.zoo_add(zoo, [path]), archives))
    assert [entry.manifest.name for entry in zaponnx.zoo_list(zoo).entries] == ["a", "b", "tiny"]


def test_another_package_of_the_name_takes_its_place_if_asked_to(zoo: Path, small, tmp_path: Path, everything) -> None:
    zaponnx.pack([small.converted], tmp_path / "tiny.tar.gz")
    before = everything(zoo)
    with pytest.raises(InvalidArgument, match="another package of the name 'tiny'; --replace takes its place"):
        zaponnx.zoo_add(zoo, [tmp_path / "tiny.tar.gz"])
    assert everything(zoo) == before
    (entry,) = zaponnx.zoo_add(zoo, [tmp_path / "tiny.tar.gz"], replace=True).entries
    assert archive_of(zoo).name == entry.file
    assert len(entry.manifest.models) == 1


def test_what_does_not_verify_is_not_added(zoo: Path, package: Path, reseal, edit_manifest, everything) -> None:
    output = package / "test_data_set_0" / "output_0.pb"
    content = bytearray(output.read_bytes())
    content[-1] ^= 0x40
    output.write_bytes(bytes(content))
    reseal(package)
    edit_manifest(package, lambda manifest: manifest.update(name="other"))
    before = everything(zoo)
    with pytest.raises(ArtifactError, match=r"zoo add: .*tiny/test_data_set_0: output 'output' differs"):
        zaponnx.zoo_add(zoo, [package])
    assert everything(zoo) == before


@pytest.mark.parametrize("zoo_name", ["nowhere", "http://127.0.0.1:1", "https://example.invalid/zoo"])
def test_packages_are_added_to_directories_only(archive: Path, tmp_path: Path, zoo_name: str) -> None:
    with pytest.raises(InvalidArgument, match="is no directory"):
        zaponnx.zoo_add(zoo_name if ":" in zoo_name else tmp_path / zoo_name, [archive])


def test_no_package(zoo: Path) -> None:
    with pytest.raises(InvalidArgument, match="no package is given"):
        zaponnx.zoo_add(zoo, [])


@pytest.mark.parametrize("form", ["{}", "{}/index.json", "file://{}", "file://{}/", "file://localhost{}/index.json"])
@pytest.mark.parametrize("output", ["got", "got.tar.gz"])
def test_a_package_is_got_from_a_directory(zoo: Path, archive: Path, package: Path, form: str, output: str) -> None:
    target = zoo.parent / "out" / output
    target.parent.mkdir()
    zaponnx.zoo_get(form.format(zoo), "tiny", target)
    assert list(target.parent.iterdir()) == [target]
    if output == "got":
        zaponnx.verify(target)
        assert (target / "manifest.json").read_bytes() == (package / "manifest.json").read_bytes()
    else:
        assert target.read_bytes() == archive.read_bytes()


def test_an_index_and_an_archive_that_do_not_go_together(zoo: Path, everything) -> None:
    """The index promises another licence than the package has."""
    edit_index(zoo, lambda index: index["packages"][0]["manifest"].update(license="MIT"))
    before = everything(zoo.parent)
    for name in ("got", "got.tar.gz"):
        with pytest.raises(ArtifactError, match="its manifest is not the one in the index"):
            zaponnx.zoo_get(zoo, "tiny", zoo.parent / name)
    assert everything(zoo.parent) == before


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "a path": ({"file": "../tiny.tar.gz"}, "file' is not 'tiny-"),
    "another server": ({"file": "http://example.invalid/x"}, "file' is not 'tiny-"),
    "another package's file": ({"file": "other-000000000000.tar.gz"}, "file' is not 'tiny-"),
    "a size without end": ({"size": 10**30}, "size' is no integer from 1 to"),
    "no hash": ({"sha256": "x"}, "is no SHA-256"),
    "an unknown key": ({"script": "x"}, "script' is unknown"),
    "no manifest": ({"manifest": None}, "manifest' is no JSON object"),
}


@pytest.mark.parametrize(("fields", "problem"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_indexes(zoo: Path, tmp_path: Path, fields: dict[str, Any], problem: str) -> None:
    edit_index(zoo, lambda index: index["packages"][0].update(fields))
    for read in (lambda: zaponnx.zoo_list(zoo), lambda: zaponnx.zoo_get(zoo, "tiny", tmp_path / "got")):
        with pytest.raises(ArtifactError, match=problem):
            read()


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (lambda index: index.update(format="x"), "'format' is not 'zaponnx.zoo'"),
        (lambda index: index.update(version=2), "'version' is 2"),
        (lambda index: index.update(more=1), "'more' is unknown"),
        (lambda index: index["packages"].append(index["packages"][0]), "'packages' have 'tiny' twice"),
    ],
)
def test_indexes_that_are_none(zoo: Path, edit: Callable[[dict[str, Any]], None], problem: str) -> None:
    edit_index(zoo, edit)
    with pytest.raises(ArtifactError, match=problem):
        zaponnx.zoo_list(zoo)


def test_an_index_without_end(zoo: Path, monkeypatch) -> None:
    monkeypatch.setattr("zaponnx.packaging.zoo_commands.LARGEST_INDEX", 100)
    with pytest.raises(ArtifactError, match=r"index.json: has more than 100 bytes"):
        zaponnx.zoo_list(zoo)


def test_native_libraries_are_not_even_fetched(zoo: Path, small, tmp_path: Path) -> None:
    zaponnx.pack([small.converted], tmp_path / "native.tar.gz", native=[this_platform()])
    refused = "native.*has native libraries, for .*; --allow-native"
    with pytest.raises(ArtifactError, match=refused):
        zaponnx.zoo_add(zoo, [tmp_path / "native.tar.gz"])
    zaponnx.zoo_add(zoo, [tmp_path / "native.tar.gz"], allow_native=True)
    with pytest.raises(ArtifactError, match=refused):
        zaponnx.zoo_get(zoo, "native", tmp_path / "got")
    assert list(tmp_path.glob("got*")) == []
    zaponnx.zoo_get(zoo, "native", tmp_path / "got", allow_native=True)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://127.0.0.1/zoo", "is no URL of a zoo; give a directory, or a URL that begins with file:///"),
        ("file://server/zoo", "is no URL of a zoo"),
        ("http:///zoo", "is no URL of a zoo"),
        ("s3:bucket", "is no URL of a zoo"),
    ],
)
def test_other_urls(url: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        zaponnx.zoo_list(url)
