"""Runs models: ONNX Runtime with and without zaponnx's library, and what each ZapConv had and gave in a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from hypothesis import reject
from onnx import TensorProto, helper, inliner, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime import GraphOptimizationLevel

from tests.formula import Array, Expected, formula
from tests.property.networks import Network
from zaponnx.errors import ModelError
from zaponnx.graph.converted import attributes, zap_convs
from zaponnx.graph.upgrading import opset_version
from zaponnx.operator import DOMAIN, INPUTS, NHWC_OPERATORS, RESIDUAL, TO_NCHW, VERSION
from zaponnx.runtime import open_session, register, session_options

Arrays = Mapping[str, Array]


def run(model: onnx.ModelProto, inputs: Arrays, *, library: bool = False, optimized: bool = True) -> dict[str, Array]:
    """The outputs by name, in ONNX Runtime."""
    options = session_options(threads=1)
    if not optimized:
        options.graph_optimization_level = GraphOptimizationLevel.ORT_DISABLE_ALL
    if library:
        register(options)
    session = open_session(model.SerializeToString(), options, ["cpu"], "test")
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def run_original(network: Network) -> dict[str, Array]:
    """The outputs of a network. Those that ONNX Runtime itself fails to optimise are none for these tests."""
    try:
        return run(network.model, network.inputs)
    except ModelError as error:
        if "Failed to find node output" in str(error):  # it fuses the sum of two Convs, one of them an output
            reject()
        raise


def run_reference(model: onnx.ModelProto, inputs: Arrays) -> dict[str, Array]:
    """The outputs by name, in onnx.reference, which has inlined functions only."""
    names = [value.name for value in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(inlined(model)).run(names, dict(inputs)), strict=True))


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions."""
    return inliner.inline_local_functions(model)


def with_activations(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose outputs are what its ZapConvs read and write, and its own."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in (*copy.graph.output, *copy.graph.input)}
    names = [name for node in zap_convs(copy) for name in (_data(node) | {"Y": node.output[0]}).values()]
    for name in dict.fromkeys(name for name in names if name not in known):
        copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return copy


def zap_convs_alone(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model's ZapConvs, unconnected: an input for each activation that one reads."""
    nodes = zap_convs(model)
    weights = {name for node in nodes for name in node.input[1 : len(INPUTS)]}
    read = {name: None for node in nodes for name in _data(node).values()}
    outputs = {f"{node.output[0]} alone": node for node in nodes}
    copies = []
    for name, node in outputs.items():
        copies.append(onnx.NodeProto())
        copies[-1].CopyFrom(node)
        copies[-1].output[0] = name
    graph = helper.make_graph(
        copies,
        "alone",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in read],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs],
        [tensor for tensor in model.graph.initializer if tensor.name in weights],
    )
    functions = [function for function in model.functions if function.domain == DOMAIN]
    # onnx.reference does not know that "ai.onnx" is "".
    opsets = [helper.make_opsetid("", opset_version(model, "test")), helper.make_opsetid(DOMAIN, VERSION)]
    return helper.make_model(graph, functions=functions, opset_imports=opsets, ir_version=model.ir_version)


def expected_outputs(model: onnx.ModelProto, values: Arrays) -> Iterator[tuple[str, Expected]]:
    """What each ZapConv gives by the formula, and the tensor that it writes, as it is in the model.

    Args:
        model: A converted model.
        values: The activations of a run, by name.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in zap_convs(model):
        inputs = dict(zip(INPUTS[1:], (constants[name] for name in node.input[1 : len(INPUTS)]), strict=True))
        data = {name: in_nchw(node, values[tensor]) for name, tensor in _data(node).items()}
        yield node.output[0], formula(attributes(node), inputs | data)


def in_nchw(node: onnx.NodeProto, array: Array) -> Array:
    """An activation of a ZapConv, in NCHW."""
    return array.transpose(TO_NCHW) if node.op_type in NHWC_OPERATORS else array


def _data(node: onnx.NodeProto) -> dict[str, str]:
    """X, and Z if it has one, of a ZapConv."""
    return {"X": node.input[0]} | ({RESIDUAL: node.input[-1]} if len(node.input) > len(INPUTS) else {})


def assert_close(actual: Arrays, expected: Arrays, tolerance: float = 1e-4) -> None:
    """Equal but for rounding, relative to the tensor's largest value.

    A network has up to 24 convs in a row with sums of up to 25 · 8 products, each good for √200 roundings of 6e-8; the
    rest is room for layers that enlarge what is relative, as batch norms do.
    """
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(
            actual[name], array, rtol=0, atol=tolerance * max(float(np.abs(array).max(initial=0)), 1e-3), err_msg=name
        )
