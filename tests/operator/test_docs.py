"""docs/operators.md is what the schemas say."""

from __future__ import annotations

from pathlib import Path

from zaponnx.operator.docs import render


def test_the_committed_document_is_current() -> None:
    document = Path(__file__).parents[2] / "docs" / "operators.md"
    assert document.read_text(encoding="utf-8") == render(), "run: python -m zaponnx.operator.docs > docs/operators.md"
