"""Packages from a server: fetched whole, or from where they broke off, and refused if they are not what was named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import zaponnx
from tests.packaging.serving import serving
from tests.packaging.zoos import archive_of
from zaponnx.errors import ArtifactError, DataError, InvalidArgument
from zaponnx.files import sha256


@pytest.fixture
def server(zoo: Path, monkeypatch) -> Iterator[Any]:
    monkeypatch.setenv("no_proxy", "*")
    with serving(zoo) as running:
        yield running


def test_a_package_is_got_by_http(server, archive: Path, tmp_path: Path) -> None:
    assert [entry.manifest.name for entry in zaponnx.zoo_list(server.url).entries] == ["tiny"]
    zaponnx.zoo_get(f"{server.url}/index.json", "tiny", tmp_path / "got")
    zaponnx.verify(tmp_path / "got")
    assert server.sent == archive.stat().st_size


def test_an_unknown_package(server, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="there is no package 'big'; there is tiny"):
        zaponnx.zoo_get(server.url, "big", tmp_path / "got")


def test_a_broken_download_goes_on_where_it_broke(server, archive: Path, tmp_path: Path) -> None:
    size = archive.stat().st_size
    target = tmp_path / "out" / "got.tar.gz"
    target.parent.mkdir()
    target.write_bytes(b"a good one")
    server.breaks_after = size // 3 + 1
    for part in (1, 2):
        with pytest.raises(
            DataError, match=rf"broke off after {part * server.breaks_after} of {size} bytes; run it again"
        ):
            zaponnx.zoo_get(server.url, "tiny", target)
        assert target.read_bytes() == b"a good one"
        assert sorted(path.name for path in target.parent.iterdir()) == [
            "got.tar.gz",
            f"got.tar.gz.{sha256(archive)[:12]}.part",
        ]
    zaponnx.zoo_get(server.url, "tiny", target)
    assert target.read_bytes() == archive.read_bytes()
    assert list(target.parent.iterdir()) == [target]
    assert server.asked == [None, f"bytes={server.breaks_after}-", f"bytes={2 * server.breaks_after}-"]
    assert server.sent == size


def test_a_broken_download_leaves_the_good_directory(server, package: Path, everything) -> None:
    before = everything(package)
    server.breaks_after = 1000
    with pytest.raises(DataError, match="broke off after 1000"):
        zaponnx.zoo_get(server.url, "tiny", package)
    assert everything(package) == before


def test_a_server_without_ranges_sends_all_again(server, archive: Path, tmp_path: Path) -> None:
    server.breaks_after = 1000
    with pytest.raises(DataError):
        zaponnx.zoo_get(server.url, "tiny", tmp_path / "got.tar.gz")
    server.breaks_after, server.ranges = None, False
    zaponnx.zoo_get(server.url, "tiny", tmp_path / "got.tar.gz")
    assert (tmp_path / "got.tar.gz").read_bytes() == archive.read_bytes()
    assert server.sent == 1000 + archive.stat().st_size


def test_a_server_that_says_no_lengths(server, tmp_path: Path) -> None:
    server.lengths = False
    zaponnx.zoo_get(server.url, "tiny", tmp_path / "got")
    zaponnx.verify(tmp_path / "got")


def spoiled(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (spoiled, "is not the file that the index names: its SHA-256 is another"),
        (lambda content: content + b"x", "has [0-9]+ bytes, not [0-9]+ as the index|has more than [0-9]+ bytes"),
    ],
)
def test_another_archive_than_the_index_says(
    server, zoo: Path, package: Path, everything, spoil: Callable[[bytes], bytes], problem: str, lengths: bool
) -> None:
    """Neither the package that was there is replaced, nor is anything of it kept to go on from."""
    archive_of(zoo).write_bytes(spoil(archive_of(zoo).read_bytes()))
    server.lengths = lengths
    before = everything(package.parent)
    for target in (package, package.parent / "new", package.parent / "new.tar.gz"):
        with pytest.raises(ArtifactError, match=problem):
            zaponnx.zoo_get(server.url, "tiny", target)
    assert everything(package.parent) == before


def test_a_shorter_archive_than_the_index_says(server, zoo: Path, tmp_path: Path) -> None:
    archive_of(zoo).write_bytes(archive_of(zoo).read_bytes()[:-5])
    with pytest.raises(ArtifactError, match=r"bytes, not [0-9]+ as the index says"):
        zaponnx.zoo_get(server.url, "tiny", tmp_path / "got")
    server.lengths = False
    with pytest.raises(DataError, match="broke off"):
        zaponnx.zoo_get(server.url, "tiny", tmp_path / "got")
    with pytest.raises(ArtifactError, match="is too short"):
        zaponnx.zoo_get(server.url, "tiny", tmp_path / "got")
    assert list(tmp_path.glob("got*")) == []


def test_what_was_fetched_before_is_not_trusted(server, archive: Path, tmp_path: Path) -> None:
    """What lies there may be anything: too long, or with another beginning."""
    part = tmp_path / f"got.tar.gz.{sha256(archive)[:12]}.part"
    for content in (b"x" * (archive.stat().st_size + 1), b"x" * archive.stat().st_size, b"x"):
        part.write_bytes(content)
        with pytest.raises(ArtifactError, match="its SHA-256 is another"):
            zaponnx.zoo_get(server.url, "tiny", tmp_path / "got.tar.gz")
        assert not part.exists()
    zaponnx.zoo_get(server.url, "tiny", tmp_path / "got.tar.gz")


def test_what_cannot_be_read(server, zoo: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere/index.json: cannot be read: No such file"):
        zaponnx.zoo_list(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"/no/index.json: HTTP 404 Not Found"):
        zaponnx.zoo_list(f"{server.url}/no")
    archive_of(zoo).unlink()
    with pytest.raises(DataError, match=r"\.tar\.gz: HTTP 404 Not Found"):
        zaponnx.zoo_get(server.url, "tiny", tmp_path / "got")
    assert list(tmp_path.glob("got*")) == []


def test_a_server_that_is_down(monkeypatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with serving(Path()) as server:
        url = server.url
    with pytest.raises(DataError, match="cannot be read: Connection refused"):
        zaponnx.zoo_list(url)


@pytest.mark.parametrize("scheme", ["file", "ftp"])
def test_a_redirection_out_of_http_is_not_followed(server, tmp_path: Path, archive: Path, scheme: str) -> None:
    server.redirect = f"{scheme}://{archive}"
    with pytest.raises(DataError, match=r"HTTP 302|unknown url type"):
        zaponnx.zoo_get(server.url, "tiny", tmp_path / "got")


def test_a_redirection_by_http_is_followed(server, zoo: Path, tmp_path: Path, monkeypatch) -> None:
    with serving(zoo) as other:
        server.redirect = f"{other.url}/{archive_of(zoo).name}"
        zaponnx.zoo_get(server.url, "tiny", tmp_path / "got")
        assert other.sent == archive_of(zoo).stat().st_size
