"""inspect: reads a model, says of each convolution whether it is or can be a ZapConv, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from zaponnx.carried import CARRIED, RETUNING, read_artifacts
from zaponnx.errors import on_behalf_of
from zaponnx.graph.converted import (
    attributes,
    dense_output,
    is_converted,
    node_pattern,
    read_metadata,
    zap_conv_name,
    zap_convs,
)
from zaponnx.graph.finding import find_matches
from zaponnx.graph.surgery import display_name
from zaponnx.graph.upgrading import opset_version
from zaponnx.json_fields import json_thresholds
from zaponnx.macs import Work, conv_work
from zaponnx.models import load_model
from zaponnx.operator import NHWC_OPERATORS, RESIDUAL_OPERATORS


@dataclass(frozen=True)
class InspectedLayer:
    """A convolution of a model.

    Attributes:
        name: The node's name, or its output's if it has none.
        status: "converted" for a ZapConv, "site" for a Conv that can become one, "dense" for any other.
        reason: Why a dense one stays dense, else "".
        residual: Whether a residual is added before the ReLU.
        macs: Dense multiply-accumulates per image; None where the model does not fix the size, or in a subgraph.
        predictor_macs: What its predictor costs per image, on average; None where unknown or where there is none.
        thresholds: A ZapConv's thresholds, one or one per channel; empty otherwise.
        pattern: A ZapConv's pattern, by name or as a tile; "" otherwise.
        layout: A ZapConv's, "NCHW" or "NHWC"; "" otherwise.
        output: What a ZapConv or a site writes in the dense model, which identifies it; "" otherwise.
    """

    name: str
    status: str
    reason: str = ""
    residual: bool = False
    macs: int | None = None
    predictor_macs: int | None = None
    thresholds: tuple[float, ...] = ()
    pattern: str = ""
    layout: str = ""
    output: str = ""


@dataclass(frozen=True)
class Retuning:
    """The operating points that a converted model can be retuned to.

    Attributes:
        points: How many there are.
        error: The largest of their errors; the smallest is that of the dense model, or near it.
        mac_saved: The largest share of the calibrated layers' MACs that one saves.
        chosen_for: What fit chose the one for that `retune` takes unless told another, "" if it chose none.
        chosen_mac_saved: The share of those MACs that it saves; None without one.
    """

    points: int
    error: float
    mac_saved: float
    chosen_for: str = ""
    chosen_mac_saved: float | None = None


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Attributes:
        model: The model.
        opset, ir_version: Its versions.
        converted: Whether it is an output of `convert`.
        layers: Its convolutions, in the model's order, those in subgraphs and functions last.
        macs: Dense MACs per image of all convolutions; None where unknown for one of them.
        share: Share of these that ZapConvs do, or could do in a model that is not converted; None where unknown.
        metadata: What `convert` recorded of its artifacts and its operating point, see docs/artifacts.md.
        retuning: What it can be retuned to; None for a model that carries nothing for that.
    """

    model: Path
    opset: int
    ir_version: int
    converted: bool
    layers: tuple[InspectedLayer, ...]
    macs: int | None
    share: float | None
    metadata: Mapping[str, str]
    retuning: Retuning | None

    def to_json(self) -> dict[str, Any]:
        """The inspection as JSON has it: the path as a string, infinite thresholds as "-inf" and "inf"."""
        result = asdict(self) | {"model": str(self.model)}
        for layer in result["layers"]:
            layer["thresholds"] = json_thresholds(layer["thresholds"])
        return result


def inspect(model: Path | str) -> Inspection:
    """Lists the convolutions of a model, converted or not.

    Raises:
        ModelError: The model cannot be read.
        ArtifactError: What it carries to be retuned is damaged.
    """
    model = Path(model)
    proto = load_model(model, "inspect")
    with on_behalf_of("inspect", str(model)):
        opset, layers = opset_version(proto, "inspect"), _layers(proto)
    converted = is_converted(proto)
    total = _sum(layer.macs for layer in layers)
    part = _sum(layer.macs for layer in layers if layer.status == ("converted" if converted else "site"))
    return Inspection(
        model=model,
        opset=opset,
        ir_version=proto.ir_version,
        converted=converted,
        layers=tuple(layers),
        macs=total,
        share=part / total if part is not None and total else None,
        metadata={name: value for name, value in read_metadata(proto).items() if name not in CARRIED},
        retuning=_retuning(proto, str(model)),
    )


def _retuning(model: onnx.ModelProto, where: str) -> Retuning | None:
    if RETUNING not in read_metadata(model):
        return None
    fit = read_artifacts(model, "inspect", where)[1]
    return Retuning(
        points=len(fit.points),
        error=max(point.error for point in fit.points),
        mac_saved=max(point.mac_saved for point in fit.points),
        chosen_for=fit.chosen.goal.text if fit.chosen else "",
        chosen_mac_saved=fit.chosen.point.mac_saved if fit.chosen else None,
    )


def _layers(model: onnx.ModelProto) -> list[InspectedLayer]:
    matches, refusals = find_matches(model)
    sites = {match.conv.outputs[0].name: match for match in matches}
    converted = {node.output[0]: node for node in zap_convs(model)}
    refused = iter(refusals)
    layers = []
    for output, work in conv_work(model).items():
        if output in converted:
            layers.append(_converted_layer(converted[output], work))
        elif output in sites:
            name, residual = display_name(sites[output].conv), sites[output].residual is not None
            written = sites[output].output
            layers.append(InspectedLayer(name, "site", "", residual, work.macs, work.predictor_macs, output=written))
        else:
            refusal = next(refused)
            layers.append(InspectedLayer(refusal.name, "dense", refusal.reason, macs=work.macs))
    return layers + [InspectedLayer(refusal.name, "dense", refusal.reason) for refusal in refused]


def _converted_layer(node: onnx.NodeProto, work: Work) -> InspectedLayer:
    values = attributes(node)
    pattern = node_pattern(node)
    return InspectedLayer(
        zap_conv_name(node),
        "converted",
        residual=node.op_type in RESIDUAL_OPERATORS,
        macs=work.macs,
        predictor_macs=0 if all(pattern.flat) else work.predictor_macs,
        thresholds=tuple(values["threshold"]),
        pattern=pattern.spec,
        layout="NHWC" if node.op_type in NHWC_OPERATORS else "NCHW",
        output=dense_output(node),
    )


def _sum(values: Iterable[int | None]) -> int | None:
    """The sum, None if one is unknown."""
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
