"""Compares a model that was converted so that it skips nothing with the original, run in every way that users may.

Values are compared behind every ZapConv and at the outputs. A difference is the largest of a tensor, relative to its
largest value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import inliner

from zaponnx.graph.converted import dense_output, zap_convs
from zaponnx.operator import NHWC_OPERATORS, TO_NCHW
from zaponnx.runtime import open_session, register, session_options
from zaponnx.tolerances import neighbours
from zaponnx.weights import extent, refer

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

WAYS = ("library", "Winograd", "bodies", "inlined")
"""ONNX Runtime with zaponnx's library; also with all outputs in the patterns of what suits Winograd's filtering; with
the bodies alone; likewise, after onnx.inliner has put them in place."""

_SPINNING = "session.intra_op.allow_spinning"
"""ORT's setting for what its idle threads do; here, others can use their cores."""

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
    options = session_options(threads=2)
    options.add_session_config_entry(_SPINNING, "0")
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


def differences(
    original: onnx.ModelProto, converted: onnx.ModelProto, winograd: onnx.ModelProto, feeds: Feeds
) -> dict[str, float]:
    """Way → the largest difference from the original.

    Args:
        original: The model.
        converted: The same, with all of its ZapConvs at threshold −∞.
        winograd: The same, with the patterns for Winograd's filtering.
        feeds: The inputs.
    """
    sites = [dense_output(node) for node in zap_convs(converted)]
    names = [*sites, *(value.name for value in original.graph.output if value.name not in sites)]
    expected = dict(zip(names, run(original, names, feeds), strict=True))
    result = {}
    for way in WAYS:
        model = winograd if way == "Winograd" else converted
        nodes = {dense_output(node): node for node in zap_convs(model)}
        tensors = [str(nodes[name].output[0]) if name in nodes else name for name in names]
        runnable = inliner.inline_local_functions(model) if way == "inlined" else model
        actual = run(runnable, tensors, feeds, library=way in ("library", "Winograd"))
        result[way] = _largest(
            _difference(
                expected[name],
                values.transpose(TO_NCHW) if name in nodes and nodes[name].op_type in NHWC_OPERATORS else values,
            )
            for name, values in zip(names, actual, strict=True)
        )
    return result


def sensitivity(model: onnx.ModelProto, tensors: Sequence[str], feeds: Feeds) -> float:
    """The largest difference of a model from itself if each of its inputs' values is moved to a neighbouring float32.

    It is the yardstick of `differences`: those of results that are equally right.
    """
    moved = {name: neighbours(values) for name, values in feeds.items()}
    pairs = zip(run(model, tensors, feeds), run(model, tensors, moved), strict=True)
    return _largest(_difference(expected, values) for expected, values in pairs)


def _largest(differences: Iterable[float]) -> float:
    """The largest, NaN if there is one, wherever it is; `max` would pass over it."""
    return float(np.max(list(differences)))


def _difference(expected: Array, actual: Array) -> float:
    """NaN where either has one; the scale of zeros, as of a head that is initialized so, is 1."""
    return float(np.abs(actual - expected).max() / (np.abs(expected).max() or 1.0))
