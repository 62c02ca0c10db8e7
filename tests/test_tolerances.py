"""tolerances: only what is computed behind a rounding to few bits, of what a ZapConv gave, may differ by its steps."""

from __future__ import annotations

import math

import onnx
import pytest
from onnx import TensorProto, helper, parser

from zaponnx.self_check import tiny_model
from zaponnx.tolerances import tolerances

FLOAT16, BFLOAT16, INT8 = 16 * 2.0**-10, 16 * 2.0**-7, 16 * 2.0**-7
NARROW = f"h = Cast<to={TensorProto.FLOAT16}>"
BRANCH = f"then () => (t) {{ {NARROW}(Y) t = Cast<to={TensorProto.FLOAT}>(h) }}"
FUNCTION = f"""<domain: "local", opset_import: ["": 17]>
    Round (v) => (w) {{ {NARROW}(v) w = Cast<to={TensorProto.FLOAT}>(h) }}"""
OUTER = """<domain: "local", opset_import: ["": 17, "local": 1]> Outer (v) => (w) { w = local.Round(v) }"""


def tiny_and(nodes: str) -> onnx.ModelProto:
    """The tiny ZapConv of self_check, X → Y, with nodes behind it."""
    model = tiny_model()
    imports = f'ir_version: 8, opset_import: ["": {model.opset_import[0].version}, "local": 1]'
    behind = parser.parse_model(f"<{imports}> net (float[N,4,8,8] X, float[N,4,8,8] Y, bool b) => () {{ {nodes} }}")
    model.graph.node.extend(behind.graph.node)
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.extend(map(parser.parse_function, (FUNCTION, OUTER)))
    return model


def own_tolerance() -> float:
    """16 · ε · √K with K = 4 · 3 · 3."""
    return 16 * 2.0**-23 * math.sqrt(36)


@pytest.mark.parametrize(
    ("nodes", "steps"),
    [
        ("z = Sigmoid(Y)", 0.0),
        (f"{NARROW}(Y) z = Cast<to={TensorProto.FLOAT}>(h)", FLOAT16),
        (f"h = Cast<to={TensorProto.BFLOAT16}>(Y) z = Cast<to={TensorProto.FLOAT}>(h)", BFLOAT16),
        (f"{NARROW}(Y) v = Cast<to={TensorProto.FLOAT}>(h) z = Add(Y, v)", FLOAT16),
        (f"h = Cast<to={TensorProto.DOUBLE}>(Y) z = Cast<to={TensorProto.FLOAT}>(h)", 0.0),
        (f"{NARROW}(Y) z = Sigmoid(Y)", 0.0),
        (f"{NARROW}(X) z = Cast<to={TensorProto.FLOAT}>(h)", 0.0),
        (f"{NARROW}(X) v = Cast<to={TensorProto.FLOAT}>(h) z = Add(Y, v)", 0.0),
        ("q = QuantizeLinear(Y, s) z = DequantizeLinear(q, s)", INT8),
        ("q, s, p = DynamicQuantizeLinear(Y) z = DequantizeLinear(q, s, p)", INT8),
        ("q = com.other.QuantizeLinear(Y, s) z = DequantizeLinear(q, s)", 0.0),
        ("z = local.Round(Y)", FLOAT16),
        ("z = local.Outer(Y)", FLOAT16),
        (f"z = If(b)<then_branch = {BRANCH}, else_branch = {BRANCH}>", FLOAT16),
    ],
)
def test_steps_behind(nodes: str, steps: float) -> None:
    """Not in front of the ZapConv, where original and converted model have the same values, and not beside it."""
    found = tolerances(tiny_and(nodes), ["X", "Y", "z"])
    assert found == pytest.approx({"X": own_tolerance(), "Y": own_tolerance(), "z": own_tolerance() + steps})


def test_a_zap_conv_behind_a_rounding_may_differ_by_its_steps_too() -> None:
    model = tiny_and(f"{NARROW}(Y) v = Cast<to={TensorProto.FLOAT}>(h)")
    second = model.graph.node.add()
    second.CopyFrom(model.graph.node[0])
    second.input[0], second.output[0] = "v", "z"
    found = tolerances(model, ["Y", "z"])
    assert found == pytest.approx({"Y": 2 * own_tolerance(), "z": 2 * own_tolerance() + FLOAT16})
