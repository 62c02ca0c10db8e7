"""Trials: runs models to choose one of them, few by bisection, and keeps what each gave in a partial file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict

from zaponnx.calib.partial_file import PartialFile, unpacked
from zaponnx.chosen_point import Trial
from zaponnx.chosen_schema import read_trial
from zaponnx.json_fields import Fields

_log = logging.getLogger("zaponnx.fit")


class Trials:
    """The models that were run.

    Args:
        file: Where every one is kept at once, and read from if it fits.
    """

    def __init__(self, file: PartialFile) -> None:
        self._file = file
        content = file.read()
        found = unpacked(content)["trials"] if content else {}
        self._done = {name: read_trial(Fields(trial, "fit", str(file.path))) for name, trial in found.items()}
        self._used: dict[str, Trial] = {}
        if found:
            _log.warning("going on from %s, in which %d models are done", file.path, len(found))

    def of(self, name: str, run: Callable[[], Trial]) -> Trial:
        """What a model gave, which is run if it was not yet.

        Raises:
            OutputError: The system does not let the partial file be written.
        """
        if name not in self._done:
            self._done[name] = run()
            self._file.write({"trials": {each: asdict(trial) for each, trial in self._done.items()}})
        self._used[name] = self._done[name]
        return self._done[name]

    @property
    def used(self) -> tuple[Trial, ...]:
        """Those that were asked for, in that order."""
        return tuple(self._used.values())


def last_of_leading(count: int, holds: Callable[[int], bool]) -> int:
    """The last of the numbers from 0 to `count` − 1 for which something holds that holds for the first ones only.

    By bisection, so that it is asked about log2(count + 1) of them, the result among them; −1 if it holds for none.
    """
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low
