"""Where a zoo is, a directory or a file: or http(s): URL: gives its files as streams, from any byte on."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zaponnx.errors import ArtifactError, DataError, InvalidArgument
from zaponnx.packaging.index import INDEX

_TIMEOUT = 60
"""Seconds without an answer."""

_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206
_PIECE = 1 << 16


@dataclass(frozen=True)
class Source:
    """A file that is being read.

    Attributes:
        stream: Its bytes.
        start: Where they begin: as was asked for, or 0 if only all of it is to be had.
        size: The bytes of the whole file, None if that is not known.
    """

    stream: BinaryIO
    start: int
    size: int | None


class Location:
    """Where a zoo is.

    Args:
        zoo: A directory, its URL, or the path or URL of the index in it.
        phase: The step on whose behalf it is read, for error messages.

    Raises:
        InvalidArgument: A URL of another kind.
    """

    def __init__(self, zoo: Path | str, phase: str) -> None:
        self._phase = phase
        text = re.sub(rf"(^|/){re.escape(INDEX)}$", "", str(zoo))
        url = urllib.parse.urlsplit(text) if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text) else None
        self._url = text.rstrip("/")
        self.directory: Path | None = None
        if url is None:
            self.directory = Path(text)
        elif url.scheme == "file" and url.netloc in ("", "localhost"):
            self.directory = Path(urllib.request.url2pathname(url.path))
        elif url.scheme not in ("http", "https") or not url.netloc:
            remedy = "give a directory, or a URL that begins with file:///, http:// or https://"
            raise InvalidArgument(phase, "is no URL of a zoo", where=text, remedy=remedy)

    def place(self, file: str) -> str:
        """A file of the zoo, for messages."""
        return f"{self._url}/{file}" if self.directory is None else str(self.directory / file)

    def read(self, file: str, largest: int) -> bytes:
        """A small file.

        Raises:
            ArtifactError: It has more than so many bytes.
            DataError: It cannot be read.
        """
        content = b""
        with self.open(file, 0) as source:
            for piece in self.pieces(file, source):
                content += piece
                if len(content) > largest:
                    raise ArtifactError(self._phase, f"has more than {largest} bytes", where=self.place(file))
        return content

    @contextmanager
    def open(self, file: str, start: int) -> Iterator[Source]:
        """Opens a file from a byte on.

        Raises:
            ArtifactError: It has no such byte.
            DataError: It cannot be read.
        """
        try:
            source = self._open_url(file, start) if self.directory is None else self._open_file(file, start)
        except urllib.error.HTTPError as error:
            if error.code == _RANGE_NOT_SATISFIABLE:
                raise ArtifactError(self._phase, "is too short", where=self.place(file)) from error
            raise DataError(self._phase, f"HTTP {error.code} {error.reason}", where=self.place(file)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreadable(file, error) from error
        with source.stream:
            yield source

    def pieces(self, file: str, source: Source) -> Iterator[bytes]:
        """What is read of an open file, until it ends or the connection does.

        Raises:
            DataError: It cannot be read.
        """
        while True:
            try:
                piece = source.stream.read(_PIECE)
            except (OSError, http.client.HTTPException) as error:
                raise self._unreadable(file, error) from error
            if not piece:
                return
            yield piece

    def _unreadable(self, file: str, error: Exception) -> DataError:
        reason = getattr(error, "reason", None) or error
        problem = f"cannot be read: {getattr(reason, 'strerror', None) or reason}"
        return DataError(self._phase, problem, where=self.place(file), remedy="see that it is there, and try again")

    def _open_file(self, file: str, start: int) -> Source:
        assert self.directory is not None
        stream = (self.directory / file).open("rb")
        size = stream.seek(0, 2)
        stream.seek(start)
        return Source(stream, start, size)

    def _open_url(self, file: str, start: int) -> Source:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        response = _opener().open(urllib.request.Request(self.place(file), headers=headers), timeout=_TIMEOUT)
        length = response.headers.get("Content-Length")
        if response.status != _PARTIAL_CONTENT:
            return Source(response, 0, int(length) if length else None)
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            raise ValueError("the server gives another range than it was asked for")
        return Source(response, start, None if found[2] == "*" else int(found[2]))


def _opener() -> urllib.request.OpenerDirector:
    """What opens URLs of HTTP, and no others, wherever it is redirected to."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener
