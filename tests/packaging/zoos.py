"""A zoo's files: the archive in a zoo of one package, and the index, to be edited."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def archive_of(zoo: Path) -> Path:
    (path,) = zoo.glob("*.tar.gz")
    return path


def edit_index(zoo: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    index = json.loads((zoo / "index.json").read_text())
    edit(index)
    (zoo / "index.json").write_text(json.dumps(index))
