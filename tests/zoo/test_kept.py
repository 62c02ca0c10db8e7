"""KeptRows: what was kept comes back, for the same network and the same code only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from zoo import kept
from zoo.kept import KeptRows
from zoo.networks import NETWORKS


def test_rows_come_back(tmp_path: Path, row) -> None:
    network, other = NETWORKS[:2]
    assert KeptRows(tmp_path).read(network) is None
    KeptRows(tmp_path).write(network, row)
    assert KeptRows(tmp_path).read(network) == row
    assert KeptRows(tmp_path).read(other) is None
    KeptRows(tmp_path).write(network, replace(row, problems=("something",)))
    assert KeptRows(tmp_path).read(network) == replace(row, problems=("something",))


def test_other_code_starts_anew(tmp_path: Path, row, monkeypatch: pytest.MonkeyPatch) -> None:
    KeptRows(tmp_path).write(NETWORKS[0], row)
    monkeypatch.setattr(kept, "versions", lambda: {"torch": "another"})
    assert KeptRows(tmp_path).read(NETWORKS[0]) is None
