"""Shapes: what ONNX shape inference knows of a model's tensors, without copying its weights.

A size that is not fixed has a symbol, and two sizes of one symbol are equal. ONNX's inference gives the outputs of
convolutions and pools new symbols; `symbols` says which of these are equal. What a model's value infos say counts only
where inference does not know better: they may be stale, or have a symbol of their own for each tensor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import shape_inference

from zaponnx.errors import ModelError
from zaponnx.graph.constants import CONSTANT_OPERATORS, constant
from zaponnx.graph.surgery import is_op
from zaponnx.graph.symbols import Shape, with_equal_symbols
from zaponnx.models import MEND, first_line
from zaponnx.operator.schema import register_schemas

_SMALL = 1024
"""Initializers up to so many elements are kept for inference: target shapes, axes and the like are among them."""


def infer_shapes(model: onnx.ModelProto, graph: gs.Graph, *, batch: int | None = None) -> Mapping[str, Shape]:
    """The shapes of the main graph's tensors whose rank is known, by tensor name.

    Args:
        model: The model.
        graph: The same, imported.
        batch: What to set the batch to where it is not fixed, that is a symbol for the first of an input's four dims.
            ONNX can then follow the target shapes that some exporters compute.

    Raises:
        ModelError: Types or shapes in the model contradict each other.
    """
    bare = _without_weights(model, graph, batch)
    types = _inferred(bare)
    unknown = [value for value in model.graph.value_info if not _is_known(types.get(value.name))]
    if unknown:
        bare.graph.value_info.extend(unknown)
        types = _inferred(bare)
    shapes = {initializer.name: tuple(initializer.dims) for initializer in model.graph.initializer}
    for name, each in types.items():
        if each.HasField("shape"):
            shapes[name] = tuple(size(dim) for dim in each.shape.dim)
    return with_equal_symbols(model, shapes)


def inferred_types(model: onnx.ModelProto, graph: gs.Graph) -> dict[str, onnx.TypeProto.Tensor]:
    """The types of the main graph's tensors as far as ONNX infers them without value infos; as in `infer_shapes`."""
    return _inferred(_without_weights(model, graph, None))


def size(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """A fixed size, the symbol of another, or None."""
    return dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None


def _inferred(model: onnx.ModelProto) -> dict[str, onnx.TypeProto.Tensor]:
    """The types of a model's tensors as far as ONNX infers them."""
    register_schemas()
    try:
        graph = shape_inference.infer_shapes(model, check_type=True, data_prop=True).graph
    except shape_inference.InferenceError as error:
        problem = first_line(error).removeprefix("[ShapeInferenceError] ")
        raise ModelError(
            "shape inference", f"its types or shapes contradict each other: {problem}", remedy=MEND
        ) from error
    values = (*graph.input, *graph.value_info, *graph.output)
    return {value.name: value.type.tensor_type for value in values if value.type.HasField("tensor_type")}


def _is_known(found: onnx.TypeProto.Tensor | None) -> bool:
    """Whether inference knows a tensor's shape, symbols that it made up aside."""
    sizes = [size(dim) for dim in found.shape.dim] if found is not None and found.HasField("shape") else [None]
    return not any(each is None or str(each).startswith("unk__") for each in sizes)


def _without_weights(model: onnx.ModelProto, imported: gs.Graph, batch: int | None) -> onnx.ModelProto:
    """A copy of the model without value infos in which the large initializers are inputs, so that it stays small."""
    copy = onnx.ModelProto(ir_version=model.ir_version)
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    graph = copy.graph
    graph.name = model.graph.name
    for name in ("node", "input", "output", "sparse_initializer"):
        getattr(graph, name).extend(getattr(model.graph, name))
    inputs = {value.name for value in graph.input}
    for value in graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.WhichOneof("value"):
                dim.dim_param = f"{value.name}[{axis}]"
    if batch is not None:
        _fix_batch(graph, batch)
    graph.value_info.extend(_constant_shapes(imported))
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


def _constant_shapes(graph: gs.Graph) -> list[onnx.ValueInfoProto]:
    """The shapes of constants that nodes make, of which ONNX does not follow all: weights, biases and the like."""
    made = {}
    for node in graph.nodes:
        for tensor in () if is_op(node, *CONSTANT_OPERATORS) else node.inputs:
            found = None if isinstance(tensor, gs.Constant) else constant(tensor)
            if found is not None and found.dtype == np.float32:
                made[tensor.name] = onnx.helper.make_tensor_value_info(tensor.name, onnx.TensorProto.FLOAT, found.shape)
    return list(made.values())


def _fix_batch(graph: onnx.GraphProto, batch: int) -> None:
    """Gives all dims of the inputs that have the batch's symbol its size."""
    shapes = [value.type.tensor_type.shape.dim for value in graph.input]
    symbols = {dims[0].dim_param for dims in shapes if len(dims) == 4} - {""}
    for dim in (dim for dims in shapes for dim in dims):
        if dim.dim_param in symbols:
            dim.dim_value = batch
