"""docs/artifacts.md has the tables that the code gives, and they name the keys and tensors that files have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import onnx
import pytest
from safetensors import safe_open

from zaponnx.artifact_docs import render

TEXT = (Path(__file__).parents[1] / "docs" / "artifacts.md").read_text(encoding="utf-8")


def keys(section: str, introduction: str) -> list[str]:
    """The names in the first column of the table that follows a sentence of a section."""
    [body] = re.findall(rf"^##+ `?{re.escape(section)}.*?\n(.*?)(?=^##+ |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    table = body.partition(introduction)[2].partition("\n|")[2].partition("\n\n")[0].splitlines()[2:]
    return [name for row in table for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def test_the_committed_tables_are_current() -> None:
    assert render(TEXT) == TEXT, "run: python -m zaponnx.artifact_docs docs/artifacts.md"


def test_the_tables_have_what_the_files_have(small: Any) -> None:
    """Files of a real run, not the examples that the tables are made of."""
    with safe_open(small.calibration, "numpy") as file:
        header = json.loads(file.metadata()["zaponnx.calibration"])
        names = {re.sub(r"\.0\.", ".i.", name) for name in file.keys() if ".1." not in name}  # noqa: SIM118
    assert keys("model.zapcal", "whose value is a JSON object:") == list(header)
    assert keys("model.zapcal", "Each site has these keys:") == list(header["sites"][0])
    assert set(keys("model.zapcal", "The tensors")) == names
    document = json.loads(small.fit.read_text())
    assert keys("model.zapfit.json", "A JSON object in UTF-8:") == list(document)
    assert keys("model.zapfit.json", "Each operating point:") == list(document["points"][0])


def test_types_and_ranges_are_the_readers() -> None:
    assert "| `weight` | number from 1e-06 |" in TEXT
    assert "| `mac_saved` | number from 0 to 1 |" in TEXT
    assert "| `sites.i.magnitudes` | int64 (33, E + 1) |" in TEXT
    assert "| `top1` | number from 0 to 1 or null |" in TEXT


def test_a_document_that_lacks_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="must have each of these tables once"):
        render(TEXT.replace("<!-- fit -->", ""))


def test_retuning(small: Any) -> None:
    metadata = {entry.key: entry.value for entry in onnx.load_model(small.converted).metadata_props}
    assert set(keys("What a model can be retuned with", "is a JSON object:")) == set(
        json.loads(metadata["zaponnx.retuning"])
    )
    assert set(keys("The dense model", "is a JSON object")) == set(json.loads(metadata["zaponnx.dense"]))
