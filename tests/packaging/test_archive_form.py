"""The one form of an archive: what gzip and tar say is the same files in another one is refused."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zlib
from pathlib import Path

import pytest

from tests.packaging.refusing import assert_refused
from tests.packaging.zipping import with_header, zipped


def test_something_between_the_files(archive: Path, everything) -> None:
    content = bytearray(gzip.decompress(archive.read_bytes()))
    size = int(content[124:135], 8)
    content[512 + size] = 1  # behind the manifest, in its last block
    archive.write_bytes(zipped(bytes(content)))
    assert_refused(archive, "there is something between its files", everything)


ANOTHER_FORM = {
    "a byte behind gzip's end": (lambda packed: packed + b"\0", "goes on behind its last file"),
    "zeros behind gzip's end": (lambda packed: packed + bytes(1 << 21), "goes on behind its last file"),
    "a second gzip member": (lambda packed: packed + zipped(b""), "goes on behind its last file"),
    "one in two members": (
        lambda packed: zipped(gzip.decompress(packed)[:5120]) + zipped(gzip.decompress(packed)[5120:]),
        "is truncated",
    ),
    "a record of zeros more": (
        lambda packed: zipped(gzip.decompress(packed) + bytes(tarfile.RECORDSIZE)),
        "goes on behind its last file",
    ),
    "a block of zeros more": (
        lambda packed: zipped(gzip.decompress(packed) + bytes(512)),
        "goes on behind its last file",
    ),
    "a block of zeros less": (lambda packed: zipped(gzip.decompress(packed)[:-512]), "is truncated"),
    "something in the end": (lambda packed: zipped(gzip.decompress(packed)[:-1] + b"!"), "goes on behind"),
    "a name in gzip's header": (lambda packed: with_header(packed, 8, b"evil.tar\0"), "a name, a comment, a time"),
    "a comment": (lambda packed: with_header(packed, 16, b"hello\0"), "a name, a comment, a time"),
    "an extra field": (lambda packed: with_header(packed, 4, b"\4\0evil"), "a name, a comment, a time"),
    "a checksum of the header": (lambda packed: with_header(packed, 2, b""), "a name, a comment, a time"),
    "a claim to be text": (lambda packed: with_header(packed, 1, b""), "a name, a comment, a time"),
    "a time": (lambda packed: packed[:4] + b"\1" + packed[5:], "a name, a comment, a time"),
    "another system": (lambda packed: packed[:9] + b"\3" + packed[10:], "a name, a comment, a time"),
}


@pytest.mark.parametrize(("change", "problem"), ANOTHER_FORM.values(), ids=ANOTHER_FORM.keys())
def test_the_same_files_in_another_form(archive: Path, everything, change, problem: str) -> None:
    """What Python's own readers take, and would say is the same: a package has one form."""
    changed = change(archive.read_bytes())
    archive.write_bytes(changed)
    assert_refused(archive, problem, everything)


@pytest.mark.parametrize(
    "fields",
    [{"mode": 0o755}, {"mtime": 1}, {"uid": 1}, {"gid": 1}, {"uname": "me"}, {"gname": "us"}, {"devmajor": 1}],
    ids=lambda fields: next(iter(fields)),
)
def test_another_header(archive: Path, tar, everything, fields: dict[str, object]) -> None:
    if "devmajor" in fields:  # which Python writes for devices only
        content = bytearray(gzip.decompress(archive.read_bytes()))
        content[329:337] = b"0000001\0"
        content[148:156] = b" " * 8
        content[148:156] = f"{sum(content[:512]):06o}\0 ".encode()
        archive.write_bytes(zipped(bytes(content)))
    else:
        for name, value in fields.items():
            setattr(tar.members[0][0], name, value)
        tar.write(archive)
    assert_refused(archive, "'tiny/manifest.json' has another header than pack gives a file", everything)


def test_another_order(archive: Path, tar, everything) -> None:
    tar.members[1:] = reversed(tar.members[1:])
    tar.write(archive)
    assert_refused(archive, "its files are not in the order of the manifest", everything)


def test_a_manifest_in_another_form(archive: Path, tar, everything) -> None:
    content = json.dumps(json.loads(tar.members[0][1])).encode()
    tar.members[0] = (tar.members[0][0], content)
    tar.members[0][0].size = len(content)
    tar.write(archive)
    assert_refused(archive, "its manifest has another form than pack gives it", everything)


def test_an_archive_is_as_zlib_makes_it(archive: Path) -> None:
    """One gzip member without a name or a time, of a tar file of whole records."""
    content = archive.read_bytes()
    magic, method, flags, time = struct.unpack("<HBBI", content[:8])
    assert (magic, method, flags, time) == (0x8B1F, 8, 0, 0)
    unzip = zlib.decompressobj(31)
    tar = unzip.decompress(content)
    assert unzip.eof
    assert unzip.unused_data == b""
    assert len(tar) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        assert {(m.mode, m.mtime, m.uid, m.gid, m.uname, m.gname) for m in opened} == {(0o644, 0, 0, 0, "", "")}
