"""Drops stale value infos, those that contradict what ONNX infers without them: changes a ModelProto in place.

Tools that edit a graph leave them behind. ONNX Runtime passes over them, but ONNX's strict shape inference does not.
"""

from __future__ import annotations

import onnx

from zaponnx.graph.shapes import inferred_types, size
from zaponnx.graph.surgery import import_graph


def drop_stale_value_infos(model: onnx.ModelProto) -> tuple[str, ...]:
    """Drops them from the main graph.

    Args:
        model: The model; changed in place.

    Returns:
        The tensors that they were about.

    Raises:
        ModelError: Types or shapes in the rest of the model contradict each other.
    """
    infos = model.graph.value_info
    if not infos:
        return ()
    types = inferred_types(model, import_graph(model))
    stale = tuple(value.name for value in infos if value.name in types and _contradict(types[value.name], value))
    for index in reversed(range(len(infos))):
        if infos[index].name in stale:
            del infos[index]
    return stale


def _contradict(found: onnx.TypeProto.Tensor, stated: onnx.ValueInfoProto) -> bool:
    """Whether a value info has another type, rank or fixed size than was found."""
    other = stated.type.tensor_type
    if 0 not in (found.elem_type, other.elem_type) and found.elem_type != other.elem_type:
        return True
    if not (found.HasField("shape") and other.HasField("shape")):
        return False
    pairs = [(size(dim), size(its)) for dim, its in zip(found.shape.dim, other.shape.dim, strict=False)]
    fixed = [pair for pair in pairs if all(isinstance(each, int) for each in pair)]
    return len(found.shape.dim) != len(other.shape.dim) or any(one != its for one, its in fixed)
