"""What a long command has done so far, in a file beside its output, `OUTPUT.partial`, so that the same one goes on.

The file begins with a line that names format and version and the SHA-256 of the rest, which torch wrote and reads, as
tensors and plain values only. It is bound to all settings that the result depends on; what does not fit is not used,
and the command starts anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from zaponnx.files import atomic_path

_HEADER = b"zaponnx checkpoint 2 %s\n"


class PartialFile:
    """The partial file of one run of a command.

    Args:
        output: What the command writes.
        command: Its name.
        settings: All that the result depends on, as JSON has it.
    """

    def __init__(self, output: Path, command: str, settings: Mapping[str, Any]) -> None:
        self.path = output.with_name(f"{output.name}.partial")
        self._command = command
        self._settings = json.dumps({**settings, "zaponnx": version("zaponnx")})
        self._log = logging.getLogger(f"zaponnx.{command}")

    def write(self, content: Mapping[str, Any]) -> None:
        """Replaces the file.

        Args:
            content: Tensors, numbers and strings in dicts and lists.

        Raises:
            OutputError: The system refuses it.
        """
        stream = io.BytesIO()
        torch.save({**content, "settings": self._settings}, stream)
        with atomic_path(self.path, self._command) as temporary:
            temporary.write_bytes(_header(stream.getvalue()) + stream.getvalue())

    def read(self) -> bytes:
        """What `unpacked` takes, of a file that fits; else nothing, with a warning if there is a file."""
        try:
            header, _, content = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return b""
        except OSError as error:
            self._log.warning("%s cannot be read (%s): starting anew", self.path, error.strerror)
            return b""
        if header + b"\n" != _header(content):
            self._log.warning("%s is damaged, or another version's: starting anew", self.path)
            return b""
        settings = json.loads(unpacked(content)["settings"])
        wanted = json.loads(self._settings)
        if other := [name for name in sorted(settings.keys() | wanted) if settings.get(name) != wanted.get(name)]:
            self._log.warning("%s is of another %s: starting anew", self.path, ", ".join(other))
            return b""
        return content

    def discard(self) -> None:
        """Removes the file: the command is done."""
        self.path.unlink(missing_ok=True)


def unpacked(content: bytes) -> dict[str, Any]:
    """What was written."""
    found: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return found


def _header(content: bytes) -> bytes:
    return _HEADER % hashlib.sha256(content).hexdigest().encode()
