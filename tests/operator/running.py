"""Runs models in ONNX Runtime with the native library."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime

import zaponnx
from tests.formula import Array


def open_session(model: onnx.ModelProto, *, threads: int = 2) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    zaponnx.register(options)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto, inputs: dict[str, Array], **options: Any) -> Array:
    return np.asarray(open_session(model, **options).run(None, inputs)[0])
