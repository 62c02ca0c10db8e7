"""Upgrades a model to opset 13 and IR version 8 at least, which ZapConv's body needs; newer ones stay as they are."""

from __future__ import annotations

import onnx
from onnx import helper, version_converter

from zaponnx.errors import ModelError
from zaponnx.messages import copy_fields, fill
from zaponnx.models import first_line
from zaponnx.operator import MIN_OPSET
from zaponnx.traversal import ONNX_DOMAINS, graphs, onnx_operator

_MIN_IR_VERSION = 8
"""The first IR version with model-local functions."""

_DROPPED = {"name", "doc_string", "metadata_props", "device_configurations"}
"""The fields of nodes and tensors that the converter drops, sometimes or always."""

_FIRST_ROUNDING = 11
"""The first opset whose Resize can be told how to round."""

INPUT_INITIALIZERS_ARE_CONSTANTS = 3
"""Up to this IR version every initializer is listed as an input; later, one that is listed is a mere default."""


def opset_version(model: onnx.ModelProto, phase: str) -> int:
    """The model's version of the ONNX domain.

    Raises:
        ModelError: It imports no ONNX operators, which is valid: it may have operators of other domains only.
    """
    for entry in model.opset_import:
        if entry.domain in ONNX_DOMAINS:
            return int(entry.version)
    raise ModelError(phase, "the model imports no ONNX operators, and so it has no convolutions")


def upgrade(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Upgrades a model where it must be.

    Returns:
        The model itself, changed or not, or a copy of it; and what was upgraded, "" if nothing was.

    Raises:
        ModelError: onnx's version converter cannot upgrade the model.
    """
    opset, ir_version = opset_version(model, "convert"), model.ir_version
    changes = []
    if opset < MIN_OPSET:
        changes.append(f"opset {opset} to {MIN_OPSET}")
        model = _convert(model, opset)
    if ir_version < _MIN_IR_VERSION:
        changes.append(f"IR version {ir_version} to {_MIN_IR_VERSION}")
        model.ir_version = _MIN_IR_VERSION
    if ir_version <= INPUT_INITIALIZERS_ARE_CONSTANTS:
        initializers = {initializer.name for initializer in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in initializers]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
    return model, " and ".join(changes)


def _convert(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    remedy = f"export it with opset {MIN_OPSET} or later"
    if model.functions:
        # The converter drops them.
        raise ModelError("convert", f"functions of opset {opset} cannot be upgraded", remedy=remedy)
    try:
        converted = version_converter.convert_version(model, MIN_OPSET)
    except Exception as error:  # C++ exceptions of any kind, IndexError among them
        problem = f"opset {opset} cannot be upgraded to {MIN_OPSET}: {first_line(error)}"
        raise ModelError("convert", problem, remedy=remedy) from error
    if opset < _FIRST_ROUNDING:
        _keep_rounding(converted)
    _carry_over(model, converted)
    return converted


def _keep_rounding(model: onnx.ModelProto) -> None:
    """Makes every Resize round as Upsample and the first Resize do, which the converter leaves to the new default."""
    for graph in graphs(model.graph):
        for node in graph.node:
            if onnx_operator(node) == "Resize":
                rounding = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
                node.attribute.extend(helper.make_attribute(name, value) for name, value in rounding.items())


def _carry_over(source: onnx.ModelProto, target: onnx.ModelProto) -> None:
    """Gives back what onnx's version converter drops or renames: all but nodes, their attributes and opset imports."""
    _name_resizes(source.graph, target.graph)
    del target.graph.value_info[:]  # The converter adds all that it infers.
    for name in ("input", "output"):
        originals = {value.name: value for value in getattr(source.graph, name)}
        for value in getattr(target.graph, name):
            value.CopyFrom(originals[value.name])
    for name in ("initializer", "node"):
        originals = {_name(item): item for item in getattr(source.graph, name)}
        for item in getattr(target.graph, name):
            if original := originals.get(_name(item)):
                del item.metadata_props[:]
                copy_fields(original, item, {field.name for field in item.DESCRIPTOR.fields} - _DROPPED)
            elif isinstance(item, onnx.NodeProto):
                item.ClearField("name")  # Where two nodes come of one, the name is for that with its output.
    fill(source.graph, target.graph)
    fill(source, target)


def _name_resizes(source: onnx.GraphProto, target: onnx.GraphProto) -> None:
    """Gives the Resizes that the converter puts in the place of Upsamples the outputs of these."""
    before, after = ({name for node in graph.node for name in node.output} for graph in (source, target))
    lost = [node.output[0] for node in source.node if onnx_operator(node) == "Upsample" and node.output[0] not in after]
    new = [node.output[0] for node in target.node if onnx_operator(node) == "Resize" and node.output[0] not in before]
    names = dict(zip(new, lost, strict=True))
    for graph in graphs(target):
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


def _name(item: onnx.NodeProto | onnx.TensorProto) -> str:
    """A tensor's name; a node is known by its first output, as its own name may be empty."""
    return next(iter(item.output), "") if isinstance(item, onnx.NodeProto) else item.name
