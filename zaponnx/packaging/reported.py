"""Which model a report is of: reads the page that `zaponnx report` wrote, gives the model's hash."""

from __future__ import annotations

import re
from pathlib import Path

from zaponnx.errors import ArtifactError

MARK = "zaponnx-model-sha256"
"""The name of the page's element that says so: <meta name="zaponnx-model-sha256" content="...">, in its head."""

_HEAD = 4096
"""Characters of a page in which it is looked for."""


def reported_model(path: Path, phase: str) -> str:
    """The hash of the model that a report is of.

    Raises:
        ArtifactError: The file cannot be read, or is no page that `zaponnx report` wrote.
    """
    try:
        with path.open(encoding="utf-8") as file:
            head = file.read(_HEAD)
    except (OSError, UnicodeDecodeError) as error:
        problem = f"cannot be read: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}"
        raise ArtifactError(phase, problem, where=str(path)) from error
    found = re.search(rf'<meta name="{MARK}" content="([0-9a-f]{{64}})">', head)
    if not found:
        remedy = "give the page that zaponnx report MODEL -o FILE.html wrote"
        raise ArtifactError(phase, "is no report", where=str(path), remedy=remedy)
    return found[1]
