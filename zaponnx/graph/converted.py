"""Converted models: their ZapConv nodes and the operating point that the metadata record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import onnx

from zaponnx.operator import DOMAIN, INPUTS, NHWC_OPERATORS, OPERATORS
from zaponnx.patterns import Pattern

NHWC_SUFFIX = "/nhwc"
"""Behind a tensor's name, the name of what it is in NHWC; underscores follow where that is taken."""

_PREFIX = "zaponnx."


def zap_convs(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The ZapConv nodes of the main graph, of any form, in the model's order."""
    return [node for node in model.graph.node if node.domain == DOMAIN and node.op_type in OPERATORS]


def dense_output(node: onnx.NodeProto) -> str:
    """The tensor of the dense model that a ZapConv's output is, in NHWC or not."""
    output = str(node.output[0])
    return re.sub(f"{NHWC_SUFFIX}_*$", "", output) if node.op_type in NHWC_OPERATORS else output


def zap_conv_name(node: onnx.NodeProto) -> str:
    """A ZapConv's name, or its output's in the dense model if it has none."""
    return str(node.name or dense_output(node))


def activation_inputs(node: onnx.NodeProto) -> list[int]:
    """Where a ZapConv has X and, if it has one, Z."""
    return [0, *range(len(INPUTS), len(node.input))]


def activations(node: onnx.NodeProto) -> list[str]:
    """A ZapConv's X, Z if it has one, and Y."""
    return [*(node.input[index] for index in activation_inputs(node)), node.output[0]]


def attributes(node: onnx.NodeProto) -> Mapping[str, Any]:
    """The attributes of a node: numbers, or lists of numbers."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


def node_pattern(node: onnx.NodeProto) -> Pattern:
    """A ZapConv's pattern."""
    values = attributes(node)
    columns, tile = values["pattern_shape"][1], values["pattern"]
    return Pattern(tuple(tuple(tile[start : start + columns]) for start in range(0, len(tile), columns)))


def set_thresholds(node: onnx.NodeProto, threshold: float) -> None:
    """Gives a ZapConv one threshold for all channels."""
    attribute = next(attribute for attribute in node.attribute if attribute.name == "threshold")
    attribute.CopyFrom(onnx.helper.make_attribute("threshold", [threshold]))


def write_metadata(model: onnx.ModelProto, values: Mapping[str, str]) -> None:
    """Adds metadata under "zaponnx."."""
    for name, value in values.items():
        model.metadata_props.add(key=f"{_PREFIX}{name}", value=value)


def drop_metadata(model: onnx.ModelProto) -> None:
    """Takes away what `write_metadata` wrote."""
    for index in reversed(range(len(model.metadata_props))):
        if model.metadata_props[index].key.startswith(_PREFIX):
            del model.metadata_props[index]


def read_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The metadata that `write_metadata` wrote; empty in a model that was never converted."""
    return {
        entry.key.removeprefix(_PREFIX): entry.value for entry in model.metadata_props if entry.key.startswith(_PREFIX)
    }


def is_converted(model: onnx.ModelProto) -> bool:
    """Whether a model is the output of `convert`, with or without a ZapConv in it."""
    return bool(zap_convs(model) or read_metadata(model))
