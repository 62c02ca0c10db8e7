"""Checkpoints: what a calibration has done so far, beside its output, so that after an interrupt the same one goes on.

The file begins with a line that names format and version and the SHA-256 of the rest, which torch wrote and reads, as
tensors and plain values only. It is bound to all settings that the result depends on, the
model's hash among them; what does not fit is not used, and calibration starts anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from zaponnx.calib.distributed import ProcessGroup
from zaponnx.files import atomic_path

_HEADER = b"zaponnx checkpoint 1 %s\n"
_SECONDS_BETWEEN = 30.0

_log = logging.getLogger("zaponnx.calibrate")


class Place(NamedTuple):
    """A place in a calibration.

    Attributes:
        number: Of the pass, from 0.
        samples: Those of the pass that are done.
    """

    number: int = 0
    samples: int = 0


class Stateful(Protocol):
    """What has a state of tensors, numbers and strings in dicts and lists; all processes ask for it together."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Checkpoint:
    """The checkpoint of one calibration.

    Args:
        output: What the calibration writes; ".partial" is added for the checkpoint.
        settings: All that the result depends on, as JSON has it.
        states: What is kept, by name; set to what the file has, if it fits.
        group: The processes; only the first reads and writes.

    Attributes:
        place: Where the calibration goes on.
    """

    def __init__(
        self, output: Path, settings: Mapping[str, Any], states: Mapping[str, Stateful], group: ProcessGroup
    ) -> None:
        self.path = output.with_name(f"{output.name}.partial")
        self._settings = json.dumps({**settings, "zaponnx": version("zaponnx")})
        self._states = states
        self._group = group
        self._kept = time.monotonic()
        self.place = self._restored()

    def samples_done(self, number: int) -> int:
        """The samples of a pass that need not be done again."""
        return self.place.samples if number == self.place.number else 0

    def keep(self, place: Place) -> None:
        """Writes the file if it is time; to be called by all processes, where they have done the same.

        Raises:
            OutputError: The system refuses it.
        """
        due = self._group.rank == 0 and time.monotonic() - self._kept >= _SECONDS_BETWEEN
        if not int(self._group.sum(torch.tensor(int(due)))):
            return
        states = {name: state.state_dict() for name, state in self._states.items()}
        if self._group.rank == 0:
            stream = io.BytesIO()
            torch.save({"settings": self._settings, "place": tuple(place), "states": states}, stream)
            content = stream.getvalue()
            with atomic_path(self.path, "calibrate") as temporary:
                temporary.write_bytes(_header(content) + content)
        self._kept = time.monotonic()

    def discard(self) -> None:
        """Removes the file: the calibration is done."""
        if self._group.rank == 0:
            self.path.unlink(missing_ok=True)

    def _restored(self) -> Place:
        content = self._group.from_first(self._read() if self._group.rank == 0 else b"")
        if not content:
            return Place()
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        for name, state in self._states.items():
            state.load_state_dict(found["states"][name])
        place = Place(*found["place"])
        if self._group.rank == 0:
            _log.warning("going on from %s, after %d samples of pass %d", self.path, place.samples, place.number + 1)
        return place

    def _read(self) -> bytes:
        """The content of a file that fits, else none."""
        try:
            header, _, content = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return b""
        except OSError as error:
            _log.warning("%s cannot be read (%s): starting anew", self.path, error.strerror)
            return b""
        if header + b"\n" != _header(content):
            _log.warning("%s is damaged, or another version's: starting anew", self.path)
            return b""
        settings = json.loads(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)["settings"])
        wanted = json.loads(self._settings)
        if other := [name for name in sorted(settings.keys() | wanted) if settings.get(name) != wanted.get(name)]:
            _log.warning("%s is of another %s: starting anew", self.path, ", ".join(other))
            return b""
        return content


def _header(content: bytes) -> bytes:
    return _HEADER % hashlib.sha256(content).hexdigest().encode()
