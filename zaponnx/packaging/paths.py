"""The paths that a package may have files at, each with its one meaning; nothing else is ever written or read.

They are short, of ASCII and as good on Windows as on Linux, so that no two of them are the same file anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

MANIFEST = "manifest.json"
CARD = "README.md"
REPORT = "report.html"
WEIGHTS = "weights.data"
FIRST_MODEL = "model.onnx"
LIBRARY = "libzaponnx_ops.so"
PLATFORMS = {"linux-x86_64": 62, "linux-aarch64": 183}
"""The platforms that a native library can be for: their names and ELF's numbers of their machines."""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
_NUMBER = r"(?:0|[1-9][0-9]{0,3})"
_TEST_DATA = rf"(?:points/{_NAME}/)?test_data_set_{_NUMBER}"
_PATH = re.compile(
    "|".join(
        [
            *map(re.escape, (CARD, REPORT, WEIGHTS)),
            rf"{_NAME}\.onnx",
            rf"{_TEST_DATA}/(?:input|output)_{_NUMBER}\.pb",
            rf"lib/(?:{'|'.join(PLATFORMS)})/{re.escape(LIBRARY)}",
        ]
    )
)
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""What Windows takes for a device."""


def is_name(name: str) -> bool:
    """Whether a package or a model may have this name."""
    return re.fullmatch(_NAME, name) is not None and _DEVICES.fullmatch(name) is None


def is_path(path: str) -> bool:
    """Whether a package may have a file at this path."""
    return _PATH.fullmatch(path) is not None and not any(map(_DEVICES.fullmatch, PurePosixPath(path).parts))


def model_path(name: str, *, first: bool) -> str:
    """Where a model is: the first one is `model.onnx`, whatever its name."""
    return FIRST_MODEL if first else f"{name}.onnx"


def test_data_path(name: str, index: int, *, first: bool) -> str:
    """Where a model's test data are: those of the first beside it, as in the ONNX model zoo."""
    return f"{'' if first else f'points/{name}/'}test_data_set_{index}"


def library_file(platform: str) -> str:
    """Where the native library for a platform is."""
    return f"lib/{platform}/{LIBRARY}"


def libraries(paths: Iterable[str]) -> dict[str, str]:
    """The native libraries among a package's files, by their platforms."""
    present = set(paths)
    return {platform: file for platform in PLATFORMS if (file := library_file(platform)) in present}


def twice(names: Iterable[str]) -> str:
    """A name that another one is the same as where case does not matter, "" if there is none."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            return name
        seen.add(name.casefold())
    return ""
