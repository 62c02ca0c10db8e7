"""Where prediction hits and misses: reads a converted model and data, gives each layer's decisions on a few samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from zaponnx.calib.data import open_data
from zaponnx.calib.report.contents import Hits
from zaponnx.counting import add_counters
from zaponnx.graph.converted import attributes, node_pattern, set_thresholds, zap_conv_name, zap_convs
from zaponnx.models import temporary_model
from zaponnx.operator import NHWC_OPERATORS, TO_NCHW
from zaponnx.runtime import open_session, ort_errors, register, session_options

Map = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerDecisions:
    """A layer on one sample.

    Attributes:
        hits: The counts.
        skipped: float64 (H, W), the share of the channels at a place that is skipped, rightly or not.
        wrong: float64 (H, W), the share that is skipped and not zero in the dense model.
    """

    hits: Hits
    skipped: Map
    wrong: Map


@dataclass(frozen=True, eq=False)
class SampleDecisions:
    """A sample.

    Attributes:
        number: Its place in the data, from 0.
        image: What the model was fed with, float (C, H, W) with C of 1 or 3; None if it takes no images.
        layers: The layers that skip, in the model's order.
    """

    number: int
    image: npt.NDArray[Any] | None
    layers: tuple[LayerDecisions, ...]


def decisions(
    model: onnx.ModelProto, where: str, data: str, samples: int, preprocess: str | None
) -> list[SampleDecisions]:
    """Runs a converted model as it is and with all thresholds at −∞, which is the dense model, on the first samples.

    Args:
        model: The converted model.
        where: Its file, for error messages.
        data: The data's SPEC; its test split is taken, where it has one.
        samples: How many samples; fewer if the data have no more, or the model's fixed batch does not.
        preprocess: What is done to images, as in `zaponnx.eval`.

    Raises:
        InvalidArgument, DataError, ModelError, RuntimeUnavailable: As in `zaponnx.eval`.
    """
    source = open_data(data, model, split="test", batch_size=samples, preprocess=preprocess)
    batch = next(iter(source))
    nodes = [node for node in zap_convs(model) if _skips(node)]
    counting, counters = add_counters(model, decisions=True)
    names = [counter.computed for node, counter in zip(zap_convs(model), counters, strict=True) if _skips(node)]
    computed = _run(counting, names, batch.inputs, where)
    values = _run(_dense(model), [node.output[0] for node in nodes], batch.inputs, where)
    in_nchw = [
        value.transpose(TO_NCHW) if node.op_type in NHWC_OPERATORS else value
        for node, value in zip(nodes, values, strict=True)
    ]
    layers = list(zip(nodes, computed, in_nchw, strict=True))
    return [
        SampleDecisions(
            number,
            _image(batch.inputs.values(), number),
            tuple(_layer(node, decided[number], value[number]) for node, decided, value in layers),
        )
        for number in range(min(samples, batch.size))
    ]


def _skips(node: onnx.NodeProto) -> bool:
    values = attributes(node)
    return not all(values["pattern"]) and max(values["threshold"]) > -math.inf


def _dense(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes all outputs, and has those of its ZapConvs among its own."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    for node in zap_convs(copy):
        set_thresholds(node, -math.inf)
        if node.output[0] not in known:
            copy.graph.output.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, [None] * 4))
    return copy


def _run(model: onnx.ModelProto, names: Sequence[str], inputs: Any, where: str) -> list[npt.NDArray[Any]]:
    if not names:
        return []
    options = session_options()
    register(options)
    with temporary_model(model, where) as path:
        session = open_session(path, options, None, "report", where=where)
    with ort_errors("report", where):
        found: list[npt.NDArray[Any]] = session.run(list(names), dict(inputs))
    return found


def _layer(node: onnx.NodeProto, computed: npt.NDArray[np.bool_], values: npt.NDArray[Any]) -> LayerDecisions:
    """From what was decided and what the dense model gives, both (M, H, W)."""
    in_pattern = np.broadcast_to(node_pattern(node).mask(*values.shape[1:]), values.shape)
    skipped, positive = ~computed, values > 0
    wrong = skipped & positive
    finite = np.where(np.isfinite(values), values, 0).astype(np.float64)  # others weigh nothing, as in calibration
    total = float(finite.sum())
    hits = Hits(
        layer=zap_conv_name(node),
        pattern=int(in_pattern.sum()),
        computed=int((computed & ~in_pattern).sum()),
        skipped=int((skipped & ~positive).sum()),
        wrong=int(wrong.sum()),
        lost=float(finite[wrong].sum()) / total if total else 0.0,
    )
    return LayerDecisions(hits, skipped.mean(axis=0), wrong.mean(axis=0))


def _image(inputs: Any, number: int) -> npt.NDArray[Any] | None:
    """The first input that is an image."""
    arrays = (array[number] for array in inputs if array.ndim == 4 and array.shape[1] in (1, 3))
    return next((array.astype(np.float64) for array in arrays if array.dtype.kind in "fiu"), None)
