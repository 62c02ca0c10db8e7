"""Every opset from 7 to the newest that onnx knows, and every IR version, is converted or refused by name."""

from __future__ import annotations

import onnx
import onnxruntime
import pytest

from zaponnx.errors import ModelError
from zaponnx.graph.upgrading import opset_version
from zaponnx.inspection import inspect
from zaponnx.models import load_model

REMEDY = "install a newer ONNX Runtime, or export the model with an opset and IR version that this one knows"
STATUS = ["dense", "site", "site", "dense"]
"""Of the model's convolutions, in `inspect`."""


def runs(model: onnx.ModelProto) -> bool:
    """Whether this ONNX Runtime knows the model's versions; onnx may be newer."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # its exceptions have no base class of their own
        return False
    return True


@pytest.mark.parametrize("opset", range(7, onnx.defs.onnx_opset_version() + 1))
def test_every_opset(make_files, make_network, opset: int) -> None:
    """What only onnx knows is refused, with the runtime's reason; `inspect`, which runs nothing, reads it."""
    files = make_files(opset=opset)
    inspection = inspect(files.model)
    assert (inspection.opset, [layer.status for layer in inspection.layers]) == (opset, STATUS)
    if not runs(make_network(opset=opset)):
        assert opset > 21
        files.assert_refused(ModelError, rf"ONNX Runtime refuses it: .* Opset {opset} is under development.*; {REMEDY}")
        return
    report = files.convert(epsilon=1.0)
    assert len(report.converted) == 2
    assert report.upgraded == (f"opset {opset} to 13" if opset < 13 else "")
    assert opset_version(load_model(files.output, "test"), "test") == max(opset, 13)


@pytest.mark.parametrize("ir_version", range(3, onnx.IR_VERSION + 1))
def test_every_ir_version(make_files, make_network, ir_version: int) -> None:
    def list_weights(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer if ir_version == 3 else []:
            model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))

    files = make_files(ir_version=ir_version, edit=list_weights)
    if not runs(make_network(ir_version=max(ir_version, 4))):
        assert ir_version > 10
        files.assert_refused(
            ModelError, f"ONNX Runtime refuses it: .* Unsupported model IR version: {ir_version}.*; {REMEDY}"
        )
        return
    report = files.convert(epsilon=1.0)
    assert len(report.converted) == 2
    assert report.upgraded == (f"IR version {ir_version} to 8" if ir_version < 8 else "")
    assert load_model(files.output, "test").ir_version == max(ir_version, 8)
