"""Archives that strangers made: each kind of hostility is refused, with its reason, and nothing is written."""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import zaponnx
from tests.packaging.refusing import assert_refused
from tests.packaging.zipping import zipped
from zaponnx.errors import ArtifactError, OutputError
from zaponnx.packaging import archive as archive_module

README = "tiny/README.md"
Spoil = Callable[["object"], None]


def replace_readme(tar, **fields: object) -> None:
    """Puts another member in the place of a file that the manifest lists."""
    index = tar.find(README)
    del tar.members[index]
    tar.add(**{"name": README, "at": index, **fields})


def twice(tar) -> None:
    tar.add(README, tar.members[tar.find(README)][1])


def wrong_hash(tar) -> None:
    index = tar.find(README)
    member, content = tar.members[index]
    tar.members[index] = (member, content.swapcase())


def wrong_size(tar) -> None:
    replace_readme(tar, content=b"short")


def missing(tar) -> None:
    del tar.members[tar.find(README)]


def of_another_folder(tar) -> None:
    for member, _ in tar.members:
        member.name = member.name.replace("tiny/", "big/")


HOSTILE = {
    "a parent's path": (lambda tar: tar.add("tiny/../../evil", b"!"), "'tiny/../../evil' leads out of the package"),
    "a parent's path first": (
        lambda tar: tar.add("../manifest.json", b"{}", at=0),
        "does not begin with NAME/manifest",
    ),
    "an absolute path": (lambda tar: tar.add("/tmp/evil", b"!"), "'/tmp/evil' leads out of the package"),
    "a path of Windows": (lambda tar: tar.add("tiny\\..\\evil", b"!"), "is not in the manifest"),
    "a symbolic link": (
        lambda tar: replace_readme(tar, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "'tiny/README.md' is a link",
    ),
    "a link to a folder": (
        lambda tar: tar.add("tiny/test_data_set_0", type=tarfile.SYMTYPE, linkname="/tmp", at=1),
        "'tiny/test_data_set_0' is a link",
    ),
    "a hard link": (
        lambda tar: replace_readme(tar, type=tarfile.LNKTYPE, linkname="tiny/manifest.json"),
        "'tiny/README.md' is a link",
    ),
    "a device": (lambda tar: replace_readme(tar, type=tarfile.CHRTYPE), "is no ordinary file"),
    "a pipe": (lambda tar: replace_readme(tar, type=tarfile.FIFOTYPE), "is no ordinary file"),
    "a folder": (lambda tar: tar.add("tiny/lib", type=tarfile.DIRTYPE), "is no ordinary file"),
    "a sparse file": (lambda tar: replace_readme(tar, type=tarfile.GNUTYPE_SPARSE), "is no ordinary file"),
    "a file twice": (twice, "'tiny/README.md' is there twice"),
    "the manifest twice": (lambda tar: tar.add(*_named(tar.members[0])), "'tiny/manifest.json' is there twice"),
    "a file in capital letters": (
        lambda tar: tar.add("tiny/Readme.MD", b"!"),
        "'tiny/Readme.MD' is not in the manifest",
    ),
    "a file in other characters": (lambda tar: tar.add("tiny/RÉADME.md", b"!"), "is damaged"),
    "a file too many": (lambda tar: tar.add("tiny/extra.onnx", b"!"), "'tiny/extra.onnx' is not in the manifest"),
    "a native library": (lambda tar: tar.add("tiny/evil.so", b"\x7fELF"), "'tiny/evil.so' is not in the manifest"),
    "a pickle": (lambda tar: tar.add("tiny/weights.pkl", b"\x80\x04."), "is not in the manifest"),
    "a file too few": (missing, "'tiny/README.md' is missing"),
    "another content": (wrong_hash, "'tiny/README.md' does not have the SHA-256 that the manifest says"),
    "another size": (wrong_size, "'tiny/README.md' has 5 bytes, not [0-9]+ as the manifest says"),
    "another folder": (of_another_folder, "is of 'big', and its manifest of 'tiny'"),
    "no manifest": (lambda tar: tar.members.pop(0), "does not begin with NAME/manifest.json"),
    "nothing": (lambda tar: tar.members.clear(), "does not begin with NAME/manifest.json"),
}


def _named(pair: tuple[tarfile.TarInfo, bytes]) -> tuple[str, bytes]:
    return pair[0].name, pair[1]


@pytest.mark.parametrize(("spoil", "problem"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_archives(archive: Path, tar, everything, spoil: Spoil, problem: str) -> None:
    spoil(tar)
    tar.write(archive)
    assert_refused(archive, problem, everything)


def test_what_was_not_spoiled_is_accepted(archive: Path, tar) -> None:
    """So that the refusals are not those of how the tests write archives."""
    tar.write(archive)
    zaponnx.verify(archive)


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_headers_that_change_the_next_one(archive: Path, tar, everything, format: int) -> None:
    """Of PAX and GNU tar: long names, which a reader that knows them would take."""
    tar.add(f"tiny/{'long' * 40}.onnx", b"!", at=1)
    tar.write(archive, format)
    assert_refused(archive, "is no ordinary file|has another header", everything)


def test_links_in_pax_headers(archive: Path, tar, everything) -> None:
    replace_readme(tar, pax_headers={"path": "../evil"}, content=b"!")
    tar.write(archive, tarfile.PAX_FORMAT)
    assert_refused(archive, "is no ordinary file", everything)


def test_a_size_that_is_negative(archive: Path, everything) -> None:
    content = bytearray(gzip.decompress(archive.read_bytes()))
    second = 512 + 512 * -(-int(content[124:135], 8) // 512)
    header = content[second : second + 512]
    header[124:136] = b"\xff" * 12  # base 256, two's complement
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    content[second : second + 512] = header
    archive.write_bytes(zipped(bytes(content)))
    assert_refused(archive, "'tiny/README.md' has another header", everything)


def test_a_bomb_of_more_than_is_declared(archive: Path, tar, everything, monkeypatch) -> None:
    """A gigabyte of zeros in a megabyte: no more than the declared size is ever unpacked."""
    read = 0
    original = archive_module._Unzipped._read_up_to

    def counted(stream, size: int) -> bytes:
        nonlocal read
        data = original(stream, size)
        read += len(data)
        return data

    monkeypatch.setattr(archive_module._Unzipped, "_read_up_to", counted)
    content = gzip.decompress(archive.read_bytes())
    archive.write_bytes(zipped(content + bytes(1 << 30)))
    assert_refused(archive, "goes on behind its last file", everything)
    assert read < 4 * len(content)


def test_a_bomb_that_is_declared(archive: Path, tar, everything) -> None:
    manifest = json.loads(tar.members[0][1])
    next(file for file in manifest["files"] if file["path"] == "weights.data")["size"] = 1 << 30
    content = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    del tar.members[0]
    tar.add("tiny/manifest.json", content, at=0)
    tar.write(archive)
    assert_refused(archive, "declares [0-9]+ bytes, more than 100 times those of the archive", everything)


def test_a_manifest_that_is_a_bomb(archive: Path, tar, everything) -> None:
    del tar.members[0]
    tar.add("tiny/manifest.json", b" " * ((1 << 20) + 1), at=0)
    tar.write(archive)
    assert_refused(archive, "its manifest has 1048577 bytes, and may have 1048576", everything)


def test_a_disk_that_is_too_small(archive: Path, monkeypatch, tmp_path: Path, everything) -> None:
    before = everything(tmp_path)
    monkeypatch.setattr(archive_module.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 0}))
    with pytest.raises(OutputError, match="No space left on device"):
        zaponnx.unpack(archive, tmp_path / "out")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("length", [0, 5, 100, -1000, -1])
def test_truncated_archives(archive: Path, everything, length: int) -> None:
    archive.write_bytes(archive.read_bytes()[:length])
    assert_refused(archive, "is truncated|is no gzip file|does not begin", everything)


def test_a_flipped_bit_anywhere(archive: Path, everything) -> None:
    """Deflate, gzip's own checksum, tar's, the manifest's schema or a hash sees it."""
    content = archive.read_bytes()
    for position in range(10, len(content), len(content) // 50):
        spoiled = bytearray(content)
        spoiled[position] ^= 0x10
        if inflated(spoiled) == inflated(content):
            continue  # one of the bits that fill Deflate's last byte
        archive.write_bytes(bytes(spoiled))
        with pytest.raises(ArtifactError):
            zaponnx.unpack(archive, archive.parent / "out")
        assert not (archive.parent / "out").exists()


def inflated(content: bytes | bytearray) -> bytes | None:
    """What a gzip file holds, None if it is damaged."""
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return None


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04" + bytes(100), b"\x1f\x8b" + bytes(100), zipped(b"text"), zipped(bytes(20480))],
    ids=["empty", "zip", "broken gzip", "no tar", "empty tar"],
)
def test_what_is_no_archive(archive: Path, everything, content: bytes) -> None:
    archive.write_bytes(content)
    assert_refused(archive, "is no gzip file|is truncated|does not begin with NAME/manifest.json", everything)
