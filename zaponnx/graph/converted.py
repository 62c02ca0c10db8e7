"""Converted models: their ZapConv nodes and the operating point that the metadata record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx

from zaponnx.operator import DOMAIN, OPERATORS

_PREFIX = "zaponnx."


def zap_convs(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The ZapConv and ZapConvResidual nodes of the main graph, in the model's order."""
    return [node for node in model.graph.node if node.domain == DOMAIN and node.op_type in OPERATORS]


def attributes(node: onnx.NodeProto) -> Mapping[str, Any]:
    """The attributes of a node: numbers, or lists of numbers."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def set_thresholds(node: onnx.NodeProto, threshold: float) -> None:
    """Gives a ZapConv one threshold for all channels."""
    attribute = next(attribute for attribute in node.attribute if attribute.name == "threshold")
    attribute.CopyFrom(onnx.helper.make_attribute("threshold", [threshold]))


def write_metadata(model: onnx.ModelProto, values: Mapping[str, str]) -> None:
    """Adds metadata under "zaponnx."."""
    for name, value in values.items():
        model.metadata_props.add(key=f"{_PREFIX}{name}", value=value)


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The metadata that `write_metadata` wrote; empty in a model that was never converted."""
    return {
        entry.key.removeprefix(_PREFIX): entry.value for entry in model.metadata_props if entry.key.startswith(_PREFIX)
    }


def is_converted(model: onnx.ModelProto) -> bool:
    """Whether a model is the output of `convert`, with or without a ZapConv in it."""
    return bool(zap_convs(model) or read_metadata(model))
