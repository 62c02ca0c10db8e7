"""Keeps the rows of networks that are done, so that a run of the same code goes on where it was interrupted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from zaponnx.files import atomic_path, sha256
from zaponnx.machine import versions
from zaponnx.runtime import library_path
from zoo.coverage import Row
from zoo.networks import Network

_ROOT = Path(__file__).parents[1]
_WRITERS = ("__main__.py", "kept.py", "report.py")
"""What of this package has no part in a row."""


class KeptRows:
    """Rows in files of their own, in a directory for each state of the code and its dependencies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / _fingerprint()

    def read(self, network: Network) -> Row | None:
        """The row of a network, None if there is none yet."""
        file = self._file(network)
        if not file.is_file():
            return None
        fields = json.loads(file.read_text(encoding="utf-8"))
        return Row(**fields | {"problems": tuple(fields["problems"])})

    def write(self, network: Network, row: Row) -> None:
        """Keeps a row."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._file(network), "coverage") as temporary:
            temporary.write_text(json.dumps(asdict(row)), encoding="utf-8")

    def _file(self, network: Network) -> Path:
        return self._directory / f"{network.name}.{network.origin}.json"


def _fingerprint() -> str:
    """Tells states apart that could give other rows: of the Python sources, the library, and the packages."""
    sources = [path for folder in ("zaponnx", "calib") for path in (_ROOT / folder).rglob("*.py")]
    sources += [path for path in (_ROOT / "zoo").glob("*.py") if path.name not in _WRITERS]
    state = [sha256(*sorted(sources), library_path()), versions()]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
