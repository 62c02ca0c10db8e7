"""Asserts that a package is refused by all that read packages."""

from __future__ import annotations

from pathlib import Path

import pytest

import zaponnx
from zaponnx.errors import ArtifactError


def assert_refused(package: Path, problem: str, everything) -> None:
    """By all that read packages, in one sentence, without a trace."""
    before = everything(package.parent)
    for read in (lambda: zaponnx.verify(package), lambda: zaponnx.unpack(package, package.parent / "out" / "deep")):
        (package.parent / "out").mkdir(exist_ok=True)
        with pytest.raises(ArtifactError, match=problem) as caught:
            read()
        assert "\n" not in str(caught.value)
        assert str(caught.value).isprintable()
    (package.parent / "out").rmdir()
    assert everything(package.parent) == before
