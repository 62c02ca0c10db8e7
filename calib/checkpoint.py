"""Checkpoints: what a calibration has done so far, so that after an interrupt the same one goes on."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch

from zaponnx.calib.distributed import ProcessGroup
from zaponnx.calib.partial_file import PartialFile, unpacked

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
        output: What the calibration writes.
        settings: All that the result depends on, as JSON has it.
        group: The processes; only the first reads and writes.

    Attributes:
        place: Where the calibration goes on.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any], group: ProcessGroup) -> None:
        self._file = PartialFile(output, "calibrate", settings)
        self._states: dict[str, Stateful] = {}
        self._found: dict[str, Any] = {}
        self._group = group
        self._kept = time.monotonic()
        self.place = self._restored()

    def include(self, name: str, state: Stateful) -> None:
        """Keeps a state from now on, which is set to what the file has of the name, if it has it."""
        self._states[name] = state
        if name in self._found:
            state.load_state_dict(self._found.pop(name))

    def drop(self, name: str) -> None:
        """Keeps a state no longer, if it was kept."""
        self._states.pop(name, None)

    def samples_done(self, number: int) -> int:
        """The samples of a pass that need not be done again; more than there are if none must."""
        if number < self.place.number:
            return sys.maxsize
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
            self._file.write({"place": tuple(place), "states": states})
        self._kept = time.monotonic()

    def discard(self) -> None:
        """Removes the file: the calibration is done."""
        if self._group.rank == 0:
            self._file.discard()

    def _restored(self) -> Place:
        content = self._group.from_first(self._file.read() if self._group.rank == 0 else b"")
        if not content:
            return Place()
        found = unpacked(content)
        self._found = found["states"]
        place = Place(*found["place"])
        if self._group.rank == 0:
            _log.warning(
                "going on from %s, after %d samples of pass %d", self._file.path, place.samples, place.number + 1
            )
        return place
