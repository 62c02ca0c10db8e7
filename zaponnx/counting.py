"""Counts the outputs that ZapConv skips: reads a converted model, gives a copy whose extra outputs are the counts.

ZapConv has one output, so its decision is computed once more, from that output, by a function in ONNX operators: the
predictor sees the pattern's outputs only, and those are in Y whatever was skipped. The sums of the two may be rounded
differently, so an output whose predicted value is within rounding of the threshold may count on the other side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx
from onnx import NodeProto, TensorProto, helper, parser

from zaponnx.errors import ModelError
from zaponnx.graph.converted import attributes, dense_output, zap_conv_name, zap_convs
from zaponnx.graph.upgrading import opset_version
from zaponnx.operator import NHWC_OPERATORS, TO_NCHW
from zaponnx.operator.body import COMPUTE, transpose

_DOMAIN = "zaponnx.counting"
_FUNCTIONS = {False: "CountSkipped", True: "CountSkippedNhwc"}
"""By whether Y is in NHWC."""

_INPUTS = ("P1", "p1", "P2", "p2")
_ATTRIBUTES = ("pattern", "pattern_shape", "threshold", "channels")
_NODES = f"""
    {COMPUTE}
    skip = Not (compute)
    ones = Cast <to = {TensorProto.INT64}> (skip)
    skipped = ReduceSum <keepdims = 0> (ones)
    outputs = Size (result)
"""


@dataclass(frozen=True)
class Counter:
    """The extra outputs of one ZapConv node.

    Attributes:
        name: The node's name, or its output's if it has none.
        macs_per_output: Multiply-accumulates of one of its outputs, C/group · kH · kW.
        predicted: Whether it has a predictor to run: not where the pattern has all outputs.
        skipped, outputs: Names of int64 scalars: how many outputs were skipped, and how many there are.
        computed: Name of a bool tensor (N, M, H, W): which outputs were computed.
    """

    name: str
    macs_per_output: int
    predicted: bool
    skipped: str
    outputs: str
    computed: str


def add_counters(model: onnx.ModelProto, *, decisions: bool = False) -> tuple[onnx.ModelProto, list[Counter]]:
    """A copy of a model that counts, and its counters in the order of the nodes; the outputs come after its own.

    Args:
        model: The model.
        decisions: Whether `computed` is an output, too.

    Raises:
        ModelError: A ZapConv's weights are not constants of the model.
    """
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    counters = []
    for node in zap_convs(model):
        name = zap_conv_name(node)
        if node.input[1] not in shapes:
            raise ModelError("eval", "its weights are no initializer", where=f"node '{name}'")
        prefix = f"zaponnx.counting/{dense_output(node)}"
        counter = Counter(
            name,
            math.prod(shapes[node.input[1]][1:]),
            not all(attributes(node)["pattern"]),
            f"{prefix}/skipped",
            f"{prefix}/outputs",
            f"{prefix}/computed",
        )
        copy.graph.node.append(_counting_node(node, counter))
        outputs = (counter.skipped, counter.outputs)
        copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.INT64, []) for name in outputs)
        if decisions:
            copy.graph.output.append(helper.make_tensor_value_info(counter.computed, TensorProto.BOOL, [None] * 4))
        counters.append(counter)
    if counters:
        layouts = {node.op_type in NHWC_OPERATORS for node in zap_convs(model)}
        copy.functions.extend(_function(nhwc, opset_version(model, "eval")) for nhwc in sorted(layouts))
        copy.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    return copy, counters


def _counting_node(node: NodeProto, counter: Counter) -> NodeProto:
    predictor = [node.input[3 + index] for index in range(len(_INPUTS))]
    function = _FUNCTIONS[node.op_type in NHWC_OPERATORS]
    outputs = [counter.skipped, counter.outputs, counter.computed]
    counting = helper.make_node(function, [node.output[0], *predictor], outputs, domain=_DOMAIN)
    counting.attribute.extend(attribute for attribute in node.attribute if attribute.name in _ATTRIBUTES)
    return counting


def _function(nhwc: bool, opset: int) -> onnx.FunctionProto:
    header = f'<domain: "{_DOMAIN}", opset_import: ["": {opset}]>'
    y, first = ("Y", transpose("Y", TO_NCHW, "result")) if nhwc else ("result", "")
    signature = (
        f"{_FUNCTIONS[nhwc]} <{', '.join(_ATTRIBUTES)}> ({y}, {', '.join(_INPUTS)}) => (skipped, outputs, compute)"
    )
    return parser.parse_function(f"{header} {signature} {{ {first} {_NODES} }}")
