"""The report as Markdown: the same numbers, and names from files without a meaning of their own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import zaponnx
from zaponnx.calib.report.markdown import escaped, markdown


@pytest.fixture
def report(small, results, tmp_path: Path) -> zaponnx.calib.report.contents.Report:
    return zaponnx.report(
        small.converted, tmp_path / "report.md", eval=[results.eval], bench=results.bench, data=results.data
    )


def test_the_numbers_are_in_its_tables(report, results) -> None:
    text = report.output.read_text()
    model = results.read("eval")["models"][1]
    assert f"| {100 * model['top1']:.2f} % |" in text
    for run in results.read("bench")["runs"]:
        spread = rf"\({run['speedup_low']:.2f}–{run['speedup_high']:.2f}\)"
        assert f"| {run['model_ms']:.3f} | {run['speedup']:.2f}× {spread} |" in text
    for layer in report.layers:
        if layer.saved is not None:
            assert f"{100 * layer.saved:.1f} %" in text
    assert "## Hits and misses" in text
    assert "zaponnx eval" in text


def test_the_forms_of_layers_are_explained(report) -> None:
    text = markdown(report)
    assert "- **skips** (1 layer): predicts which of its outputs are zero" in text
    assert "Winograd" not in text
    full = replace(report, layers=tuple(replace(layer, form="in full") for layer in report.layers))
    assert "- **in full** (2 layers): computes all its outputs, by Winograd's minimal filtering" in markdown(full)


def test_every_row_has_its_tables_columns(report) -> None:
    for block in report.output.read_text().split("\n\n"):
        if block.startswith("| "):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_names_have_no_meaning() -> None:
    assert escaped("a|b") == "a\\|b"
    assert escaped("<img src=x>") == "\\<img src=x\\>"
    assert escaped("[a](b) *c*\nd") == "\\[a\\]\\(b\\) \\*c\\* d"
    assert escaped("&lt;") == "&amp;lt;"


def test_hostile_names_stay_in_their_cells(report) -> None:
    hostile = "a|b\n## <b>`c"
    text = markdown(replace(report, layers=tuple(replace(layer, name=hostile) for layer in report.layers)))
    assert "<b>" not in text.replace("\\<b\\>", "")
    assert "\n## \\<" not in text


def test_a_fence_is_longer_than_those_in_commands(report) -> None:
    text = markdown(replace(report, commands=("echo ```",)))
    assert "````sh\necho ```\n````" in text
