"""Sessions of verify on models with large weights: these stay in the models' files, or come with the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zaponnx.mapped_sessions
import zaponnx.verification
from zaponnx.errors import ModelError
from zaponnx.models import save_model
from zaponnx.verification import verify


def test_weights_stay_on_disk_while_models_run(
    dense_model: Path, zap_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embedded or not: what ONNX Runtime gets is smaller than the weights, which it finds in the models' files."""
    sizes = []
    open_model = zaponnx.mapped_sessions.open_session

    def open_and_measure(model: bytes, *arguments: object, **keywords: object) -> object:
        sizes.append(len(model))
        return open_model(model, *arguments, **keywords)

    def enlarge(model: onnx.ModelProto) -> None:
        channels = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        weights = np.full((100_000, channels, 1, 1), 1e-3, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weights, "large"))
        model.graph.node.append(helper.make_node("Conv", ["Y", "large"], ["more"]))
        model.graph.output[0].CopyFrom(
            helper.make_tensor_value_info("more", TensorProto.FLOAT, ["N", 100_000, "H", "W"])
        )

    monkeypatch.setattr(zaponnx.mapped_sessions, "open_session", open_and_measure)
    monkeypatch.setattr(zaponnx.verification, "_SIZES", (4,))
    paths = []
    for path in (dense_model, zap_model):
        model = onnx.load_model(path)
        enlarge(model)
        paths.append(tmp_path / path.name)
        save_model(model, paths[-1], external_data=path == zap_model)
    assert "library" in verify(*paths).ran
    assert len(sizes) == 5
    assert max(sizes) < 50_000


def test_weights_come_with_the_model_where_the_runtime_cannot_find_them(
    dense_model: Path, zap_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before ONNX Runtime 1.21: what it gets has no external data, and is refused where it cannot be sent."""
    held = []
    open_model = zaponnx.mapped_sessions.open_session

    def open_and_look(model: bytes, *arguments: object, **keywords: object) -> object:
        initializers = onnx.ModelProto.FromString(model).graph.initializer
        held.append(all(tensor.data_location == TensorProto.DEFAULT for tensor in initializers))
        return open_model(model, *arguments, **keywords)

    monkeypatch.setattr(zaponnx.mapped_sessions, "_FOLDER_SINCE", (1 << 10, 0))
    monkeypatch.setattr(zaponnx.mapped_sessions, "open_session", open_and_look)
    paths = []
    for path in (dense_model, zap_model):
        model = onnx.load_model(path)
        model.graph.initializer.append(numpy_helper.from_array(np.ones(1 << 14, np.float32), "large"))
        paths.append(tmp_path / path.name)
        save_model(model, paths[-1], external_data=True)
    assert verify(*paths).ran
    assert held == [True] * 5
    monkeypatch.setattr(zaponnx.mapped_sessions, "PROTOBUF_LIMIT", 1 << 16)
    with pytest.raises(ModelError, match=r"its weights are above 2 GB; install ONNX Runtime 1\.21"):
        verify(*paths)
