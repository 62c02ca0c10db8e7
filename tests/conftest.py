"""Models for the tests of the whole: a tiny ZapConv and its dense twin, and the digits network with all artifacts."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import helper

from zaponnx.self_check import tiny_model


@pytest.fixture(scope="session")
def zap_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one ZapConv, X (N, 4, H, W) → Y of the same shape."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.zap.onnx"
    onnx.save_model(tiny_model(), path)
    return path


@pytest.fixture(scope="session")
def dense_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with Conv and Relu in place of ZapConv."""
    model = tiny_model()
    del model.graph.node[:], model.functions[:], model.opset_import[1:]
    model.graph.node.append(helper.make_node("Conv", ["X", "W", "B"], ["convolved"], name="conv", pads=[1, 1, 1, 1]))
    model.graph.node.append(helper.make_node("Relu", ["convolved"], ["Y"], name="relu"))
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    onnx.save_model(model, path)
    return path
