"""Opens sessions on models in memory whose large weights stay in the model's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from zaponnx.errors import ModelError
from zaponnx.models import PROTOBUF_LIMIT, tensor_bytes
from zaponnx.runtime import onnxruntime, open_session
from zaponnx.weights import extent, hold, refer

_FOLDER_SINCE = (1, 21)
"""The first version of ONNX Runtime that finds the external data of a model in memory."""


def open_mapped(model: onnx.ModelProto, path: Path, options: Any) -> Any:
    """An onnxruntime.InferenceSession on the CPU.

    ONNX Runtime maps the weights from the model's own files and, where it may, does not copy them; before 1.21 it can
    only do so with a model that is a file, and gets the weights with the model.

    Args:
        model: What was made of the model that `read_model` gave; changed in place.
        path: Where that was read from.
        options: The session's, which get settings of their own.

    Raises:
        ModelError: ONNX Runtime refuses the model.
    """
    if tuple(map(int, onnxruntime("convert").__version__.split(".")[:2])) >= _FOLDER_SINCE:
        folder = path.parent.absolute()
        for tensor in model.graph.initializer:
            if found := extent(tensor):
                refer(tensor, str(found.path.relative_to(folder)), found.offset, found.length)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    elif tensor_bytes(model) > PROTOBUF_LIMIT:
        raise ModelError("convert", "its weights are above 2 GB", where=str(path), remedy="install ONNX Runtime 1.21")
    else:
        for tensor in model.graph.initializer:
            hold(tensor)
    options.add_session_config_entry("session.disable_prepacking", "1")
    return open_session(model.SerializeToString(), options, None, "convert", where=str(path))
