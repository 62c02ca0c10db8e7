"""Progress of long steps, reported to whoever wants to show it; the library itself prints nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as progress("epoch 2/5", done=3, total=12); `total` is None when it is not known."""

    def __call__(self, step: str, done: int, total: int | None) -> None: ...


def silent(step: str, done: int, total: int | None) -> None:
    """The Progress that shows nothing."""
