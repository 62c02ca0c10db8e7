"""Compares a converted model at threshold −∞ with the original, run in every way that its users may run it.

Values are compared behind every ZapConv and at the outputs. A difference is the largest of a tensor, relative to its
largest value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import inliner

from zaponnx.graph.converted import dense_output, zap_convs
from zaponnx.operator import NHWC_OPERATORS, TO_NCHW
from zaponnx.runtime import open_session, register, session_options
from zaponnx.weights import extent, refer

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

WAYS = ("library", "bodies", "inlined")
"""ONNX Runtime with zaponnx's library; without it; without it, after onnx.inliner has put the bodies in place."""

_FOLDER = "session.model_external_initializers_file_folder_path"
"""ORT's setting for where the weights of a model in memory are."""


def run(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    feeds: Feeds,
    *,
    library: bool = False,
    added: onnx.ModelProto | None = None,
) -> list[Array]:
    """The values of some tensors of a model, inner ones too.

    Args:
        model: The model; its large weights may be on disk, all in one directory.
        tensors: Their names.
        feeds: The inputs.
        library: Whether zaponnx's library runs its operators.
        added: What the model is to have besides.
    """
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    if added is not None:
        probed.MergeFrom(added)
    known = {value.name for value in model.graph.output}
    probed.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors if name not in known
    )
    options = session_options()
    if library:
        register(options)
    folder = None
    for tensor in probed.graph.initializer:
        if found := extent(tensor):
            refer(tensor, found.path.name, found.offset, found.length)
            folder = found.path.parent
    if folder is not None:
        options.add_session_config_entry(_FOLDER, str(folder))
    session = open_session(probed.SerializeToString(), options, None, "coverage")
    return list(session.run(list(tensors), dict(feeds)))


def differences(original: onnx.ModelProto, converted: onnx.ModelProto, feeds: Feeds) -> dict[str, float]:
    """Way → the largest difference of the converted model, all of whose thresholds are −∞, from the original."""
    nodes = {node.output[0]: node for node in zap_convs(converted)}
    outputs = [value.name for value in original.graph.output if value.name not in nodes]
    expected = run(original, [*map(dense_output, nodes.values()), *outputs], feeds)
    result = {}
    for way in WAYS:
        model = inliner.inline_local_functions(converted) if way == "inlined" else converted
        actual = run(model, [*nodes, *outputs], feeds, library=way == "library")
        for index, node in enumerate(nodes.values()):
            if node.op_type in NHWC_OPERATORS:
                actual[index] = actual[index].transpose(TO_NCHW)
        result[way] = max(map(_difference, expected, actual))
    return result


def _difference(expected: Array, actual: Array) -> float:
    """NaN where either has one."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())
