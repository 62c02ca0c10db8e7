"""Upgrades a model to opset 13 and IR version 8 at least, which ZapConv's body needs; newer ones stay as they are."""

from __future__ import annotations

import onnx
from onnx import version_converter

from zaponnx.errors import ModelError
from zaponnx.models import first_line
from zaponnx.operator import MIN_OPSET

_MIN_IR_VERSION = 8
"""The first IR version with model-local functions."""

INPUT_INITIALIZERS_ARE_CONSTANTS = 3
"""Up to this IR version every initializer is listed as an input; later, one that is listed is a mere default."""


def opset_version(model: onnx.ModelProto, phase: str) -> int:
    """The model's version of the ONNX domain.

    Raises:
        ModelError: It imports no ONNX operators, which is valid: it may have operators of other domains only.
    """
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
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
    _carry_over(model, converted)
    return converted


def _carry_over(source: onnx.ModelProto, target: onnx.ModelProto) -> None:
    """Gives back what onnx's version converter drops: training info, annotations, most doc strings and metadata."""
    target.training_info.extend(source.training_info)
    target.graph.quantization_annotation.extend(source.graph.quantization_annotation)
    target.graph.metadata_props.extend(source.graph.metadata_props)
    for name in ("input", "output", "value_info", "initializer", "node"):
        originals = {_name(item): item for item in getattr(source.graph, name)}
        for item in getattr(target.graph, name):
            if original := originals.get(_name(item)):
                item.doc_string = original.doc_string
                item.metadata_props.extend(original.metadata_props)


def _name(item: onnx.NodeProto | onnx.ValueInfoProto | onnx.TensorProto) -> str:
    """A tensor's name; a node is known by its first output, as its own name may be empty."""
    return item.output[0] if isinstance(item, onnx.NodeProto) else item.name
