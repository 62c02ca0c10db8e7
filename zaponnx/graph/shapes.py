"""Shapes: what ONNX shape inference knows of a model's tensors, without copying its weights.

A size that is not fixed has a symbol, and two sizes of one symbol are equal. ONNX's inference gives the outputs of
convolutions and pools new symbols; `symbols` says which of these are equal.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import shape_inference

from zaponnx.errors import ModelError
from zaponnx.graph.symbols import Shape, with_equal_symbols
from zaponnx.models import first_line
from zaponnx.operator.schema import register_schemas

_SMALL = 1024
"""Initializers up to so many elements are kept for inference: target shapes, axes and the like are among them."""


def infer_shapes(model: onnx.ModelProto) -> Mapping[str, Shape]:
    """The shapes of the main graph's tensors whose rank is known, by tensor name.

    Raises:
        ModelError: Shapes in the model contradict each other.
    """
    register_schemas()
    try:
        inferred = shape_inference.infer_shapes(_without_weights(model), data_prop=True)
    except shape_inference.InferenceError as error:
        raise ModelError("shape inference", first_line(error)) from error
    shapes = {initializer.name: tuple(initializer.dims) for initializer in model.graph.initializer}
    for value in [*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output]:
        if value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            shapes[value.name] = tuple(
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims
            )
    return with_equal_symbols(model, shapes)


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model in which the large initializers are inputs, so that it stays small."""
    copy = onnx.ModelProto(ir_version=model.ir_version)
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    graph = copy.graph
    graph.name = model.graph.name
    for name in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(graph, name).extend(getattr(model.graph, name))
    inputs = {value.name for value in graph.input}
    for value in graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.WhichOneof("value"):
                dim.dim_param = f"{value.name}[{axis}]"
    for initializer in model.graph.initializer:
        elements = 1
        for dim in initializer.dims:
            elements *= dim
        if elements <= _SMALL:
            graph.initializer.append(initializer)
        elif initializer.name not in inputs:
            graph.input.append(
                onnx.helper.make_tensor_value_info(initializer.name, initializer.data_type, initializer.dims)
            )
    return copy
