"""A gzip file as pack makes it, of any content, and with another header."""

from __future__ import annotations

import gzip
import io
import struct
import zlib


def zipped(content: bytes) -> bytes:
    """Other than by `gzip.compress`, which says in its header that the level was 9 or the system Unix."""
    stream = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=stream, mtime=0) as file:
        file.write(content)
    return stream.getvalue()


def with_header(archive: bytes, flags: int, fields: bytes) -> bytes:
    """The same with flags in the header and the optional fields that they announce; a CRC, where it is announced."""
    header = archive[:3] + bytes([flags]) + archive[4:10] + fields
    return header + (struct.pack("<H", zlib.crc32(header) & 0xFFFF) if flags & 2 else b"") + archive[10:]
