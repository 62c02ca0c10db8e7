"""docs/artifacts.md names the keys and tensors that the files have: all of them, in their order, and no others."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors import safe_open

from zaponnx import chosen_point

TEXT = (Path(__file__).parents[1] / "docs" / "artifacts.md").read_text(encoding="utf-8")


def keys(section: str, introduction: str) -> list[str]:
    """The names in the first column of the table that follows a sentence of a section."""
    [body] = re.findall(rf"^##+ `?{re.escape(section)}.*?\n(.*?)(?=^##+ |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    table = body.partition(introduction)[2].partition("\n|")[2].partition("\n\n")[0].splitlines()[2:]
    return [name for row in table for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


@pytest.fixture(scope="module")
def header(small: Any) -> dict[str, Any]:
    with safe_open(small.calibration, "numpy") as file:
        header: dict[str, Any] = json.loads(file.metadata()["zaponnx.calibration"])
    return header


def test_calibration(small: Any, header: dict[str, Any]) -> None:
    assert keys("model.zapcal", "whose value is a JSON object:") == list(header)
    assert keys("model.zapcal", "Each site has these keys:") == list(header["sites"][0])
    with safe_open(small.calibration, "numpy") as file:
        first_site = {re.sub(r"\.0\.", ".i.", name) for name in file.keys() if ".1." not in name}  # noqa: SIM118
        edges = file.get_tensor("edges")
    assert set(keys("model.zapcal", "The tensors")) == first_site
    assert edges.dtype == np.float32


def test_fit(small: Any) -> None:
    document = json.loads(small.fit.read_text())
    assert set(keys("model.zapfit.json", "A JSON object in UTF-8:")) == set(document)
    assert keys("model.zapfit.json", "Each operating point:") == list(document["points"][0])
    chosen = {field.name for field in dataclasses.fields(chosen_point.ChosenPoint)} - {"point"}
    assert set(keys("model.zapfit.json", "The chosen point has")) == chosen


def test_retuning(small: Any) -> None:
    metadata = {entry.key: entry.value for entry in onnx.load_model(small.converted).metadata_props}
    assert set(keys("What a model can be retuned with", "is a JSON object:")) == set(
        json.loads(metadata["zaponnx.retuning"])
    )
    assert set(keys("The dense model", "is a JSON object")) == set(json.loads(metadata["zaponnx.dense"]))
