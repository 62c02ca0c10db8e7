"""Writes a model that no protobuf file holds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx

from zaponnx.weights import refer

_ROWS = 8 * 32 * 32


def write_large_model(path: Path, size: int) -> None:
    """Writes a model with external data: two convolutions, and a matrix of about so many bytes behind them.

    The matrix is written in blocks, so that no process has to hold it.
    """
    columns = size // (4 * _ROWS)
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["": 17]>
        large (float[N, 3, 32, 32] x) => (float[N, {columns}] y) {{
            c0 = Conv <pads = [1, 1, 1, 1]> (x, W0)
            r0 = Relu (c0)
            c1 = Conv <pads = [1, 1, 1, 1]> (r0, W1)
            r1 = Relu (c1)
            f = Flatten (r1)
            y = MatMul (f, M)
        }}""")
    random = np.random.default_rng(0)
    for name, inputs in (("W0", 3), ("W1", 8)):
        weights = random.standard_normal((8, inputs, 3, 3), np.float32) / np.float32(math.sqrt(9 * inputs))
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, name))
    matrix = model.graph.initializer.add(name="M", data_type=onnx.TensorProto.FLOAT, dims=[_ROWS, columns])
    data = path.with_name(f"{path.name}.data")
    with data.open("wb") as stream:
        for _ in range(_ROWS):
            stream.write(random.random(columns, np.float32).tobytes())
        refer(matrix, data.name, 0, stream.tell())
    path.write_bytes(model.SerializeToString())
