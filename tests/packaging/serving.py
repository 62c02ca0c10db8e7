"""A static file server on 127.0.0.1 for tests, which knows ranges, and can do what servers and connections do wrong."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server(ThreadingHTTPServer):
    """Attributes:
    breaks_after: Bytes after which it closes the connection of an archive, None never.
    ranges: Whether it knows them.
    lengths: Whether it says how long files are.
    redirect: Where it sends all requests for archives to, "" nowhere.
    asked: The Range headers of the requests for archives, None where there was none.
    sent: Bytes of archives that it sent.
    """

    breaks_after: int | None = None
    ranges = True
    lengths = True
    redirect = ""
    directory: Path
    asked: list[str | None]
    sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self.server.directory / self.path.lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        archive = path.name.endswith(".tar.gz")
        if archive and self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
            return
        content, start = path.read_bytes(), 0
        asked = self.headers.get("Range")
        if archive:
            self.server.asked.append(asked)
        if asked and self.server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])  # type: ignore[index]
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if self.server.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = len(content)
        if archive and self.server.breaks_after is not None:
            stop = min(stop, start + self.server.breaks_after)
        self.wfile.write(content[start:stop])
        self.server.sent += (stop - start) * archive
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """It is silent."""


@contextmanager
def serving(directory: Path) -> Iterator[Server]:
    """Serves a directory for the time of the block."""
    with Server(("127.0.0.1", 0), _Handler) as server:
        server.directory, server.asked = directory, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
