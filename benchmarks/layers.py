"""Single layers of a network: a Prepared → models of one layer, dense and converted, for every distinct shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

import zaponnx
from benchmarks.cutting import cut
from benchmarks.preparing import Converted, Prepared, evaluated
from zaponnx.artifact_files import load_calibration
from zaponnx.graph.finding import find_matches
from zaponnx.graph.folding import fold
from zaponnx.graph.matching import Match
from zaponnx.graph.passes import to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.graph.surgery import display_name
from zaponnx.models import load_model, save_model, temporary_model
from zaponnx.runtime import open_session, session_options

_PHASE = "bench"

Inputs = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Layer:
    """A layer as a model of its own, with the inputs that it has in the dense network.

    Attributes:
        shape: As in "64→128 3×3/2 28×28 +": channels, kernel, stride, output map, and whether a residual is added.
        count: How many of the network's predicted layers have this shape; this is the first one.
        macs: Dense multiply-accumulates.
        dense: Conv (+ Add) + Relu.
        converted: Point's name → ZapConv as in the converted network; without the points where the layer stays dense.
        savings: The same → share of the MACs that is skipped on these inputs.
        inputs: Input name → array (1, C, H, W).
    """

    shape: str
    count: int
    macs: int
    dense: Path
    converted: Mapping[str, Path]
    savings: Mapping[str, float]
    inputs: Inputs


def distinct_layers(prepared: Prepared, directory: Path) -> list[Layer]:
    """The predicted layers of a network, one of each shape, in the network's order.

    Args:
        prepared: The network; its first image is taken.
        directory: Where the models are written.
    """
    model = load_model(prepared.dense, _PHASE)
    matches = find_matches(model)[0]
    tensors = {name for match in matches for name in (match.output, *_inputs(match))}
    values = _values(model, tensors, prepared.images[:1])
    alike: dict[str, list[Match]] = {}
    for match in matches:
        alike.setdefault(_shape(match, values[match.output].shape), []).append(match)
    layers = []
    for index, (shape, (first, *others)) in enumerate(alike.items()):
        single = cut(model, _inputs(first), first.output)
        dense = directory / f"layer{index}.onnx"
        save_model(single, dense)
        inputs = {name: values[name] for name in _inputs(first)}
        converted = {}
        for network in prepared.converted:
            path = directory / f"layer{index}.{network.point.name}.onnx"
            if _convert(single, display_name(first.conv), network, path):
                converted[network.point.name] = path
        savings = {name: evaluated(path, inputs).mac_saved for name, path in converted.items()}
        macs = values[first.output].size * first.macs_per_output
        layers.append(Layer(shape, 1 + len(others), macs, dense, converted, savings, inputs))
    return layers


def _inputs(match: Match) -> list[str]:
    tensors = [match.conv.inputs[0], *([] if match.residual is None else [match.residual])]
    return list(dict.fromkeys(str(tensor.name) for tensor in tensors))


def _shape(match: Match, output: tuple[int, ...]) -> str:
    outputs, inputs, height, width = match.weights.shape
    stride = max(match.conv.attrs.get("strides", [1, 1]))
    kernel = f"{height}×{width}" + (f"/{stride}" if stride > 1 else "")
    channels = inputs * match.conv.attrs.get("group", 1)
    return f"{channels}→{outputs} {kernel} {output[2]}×{output[3]}" + (" +" if match.residual is not None else "")


def _values(model: onnx.ModelProto, names: Iterable[str], images: npt.NDArray[np.float32]) -> Inputs:
    """Tensors of a model for one run."""
    names = sorted(names)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    with temporary_model(copy) as path:
        session = open_session(path, session_options(), None, _PHASE)
    return dict(zip(names, session.run(None, {model.graph.input[0].name: images}), strict=True))


def _convert(single: onnx.ModelProto, site: str, network: Converted, path: Path) -> bool:
    """Writes the layer with the predictor and the thresholds of the converted network, unless it is dense there."""
    thresholds = {layer.name: layer.thresholds for layer in zaponnx.inspect(network.model).layers}[site]
    if not thresholds:
        return False
    calibration = load_calibration(network.calibration, _PHASE)
    predictor = next(known.predictor for known in calibration.sites if known.name == site)
    model = onnx.ModelProto()
    model.CopyFrom(single)
    fold(model, find_matches(model, include_first=True)[0])
    (match,), _ = find_matches(model, include_first=True)
    to_zap_convs(model, [Replacement(match, predictor, thresholds, calibration.pattern)], "nchw")
    save_model(model, path)
    return True
