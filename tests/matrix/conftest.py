"""The network of the suite, in four forms. It needs what a wheel depends on and pytest, and nothing of other tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from zaponnx.operator import DOMAIN, INPUTS, NHWC_FORMS, TO_NCHW, TO_NHWC, VERSION, ZAP_CONV, ZAP_CONV_RESIDUAL
from zaponnx.operator.body import build_body
from zaponnx.patterns import Pattern

CHANNELS = 8
OPSET = 17  # and IR 8: ONNX Runtime 1.20.1 reads up to opset 21 and IR 10

Array = npt.NDArray[Any]
Builder = Callable[..., onnx.ModelProto]


def _network(
    form: str = "nchw",
    threshold: Sequence[float] = (0.0,),
    shape: Sequence[str | int] = ("N", 4, "H", "W"),
    pattern: str = "B",
) -> onnx.ModelProto:
    """Conv → ReLU → ZapConv → ZapConvResidual of the ReLU: X (N, 4, H, W) → Y (N, 8, H, W).

    Args:
        form: "nchw", "nhwc" (the ZapConvs between Transposes) or "dense" (Conv, Add, ReLU in place of the ZapConvs).
        threshold: Of both ZapConvs.
        shape: Of X.
        pattern: Of both ZapConvs.
    """
    rng = np.random.default_rng(5)
    stem = {"stem/W": (CHANNELS, 4, 3, 3), "stem/B": (CHANNELS,)}
    m = CHANNELS
    layer = {"W": (m, m, 3, 3), "B": (m,), "P1": (m, 1, 3, 3), "p1": (m,), "P2": (m, 1, 3, 3), "p2": (m,)}
    shapes = stem | {f"{name}/{weight}": dims for name in ("first", "second") for weight, dims in layer.items()}
    weights = {name: rng.standard_normal(dims).astype(np.float32) / 4 for name, dims in shapes.items()}
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["X", "stem/W", "stem/B"], ["stem"], **same),
        helper.make_node("Relu", ["stem"], ["start"]),
    ]
    inner, outer = ("start/nhwc", "Y/nhwc") if form == "nhwc" else ("start", "Y")
    operators = [ZAP_CONV, ZAP_CONV_RESIDUAL]
    if form == "dense":
        nodes += [
            helper.make_node("Conv", [inner, "first/W", "first/B"], ["first"], **same),
            helper.make_node("Relu", ["first"], ["middle"]),
            helper.make_node("Conv", ["middle", "second/W", "second/B"], ["second"], **same),
            helper.make_node("Add", ["second", inner], ["sum"]),
            helper.make_node("Relu", ["sum"], [outer]),
        ]
        operators = []
    else:
        if form == "nhwc":
            operators = [NHWC_FORMS[operator] for operator in operators]
            nodes.append(helper.make_node("Transpose", ["start"], [inner], perm=TO_NHWC))
        for operator, name, x, residual, y in (
            (operators[0], "first", inner, [], "middle"),
            (operators[1], "second", "middle", [inner], outer),
        ):
            inputs = [x, *(f"{name}/{weight}" for weight in INPUTS[1:]), *residual]
            nodes.append(
                helper.make_node(operator, inputs, [y], name, domain=DOMAIN, **_attributes(threshold, pattern))
            )
        if form == "nhwc":
            nodes.append(helper.make_node("Transpose", [outer], ["Y"], perm=TO_NCHW))
    read = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        form,
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, CHANNELS, None, None])],
        [numpy_helper.from_array(array, name) for name, array in weights.items() if name in read],
    )
    return helper.make_model(
        graph,
        functions=[build_body(operator, OPSET) for operator in operators],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        ir_version=8,
    )


def _attributes(threshold: Sequence[float], pattern: str) -> dict[str, Any]:
    tile = Pattern.parse(pattern)
    return {
        "strides": [1, 1],
        "pads": [1, 1, 1, 1],
        "dilations": [1, 1],
        "group": 1,
        "pattern": tile.flat,
        "pattern_shape": list(tile.shape),
        "threshold": list(threshold),
        "channels": CHANNELS,
        "bound": math.inf,
    }


@pytest.fixture(scope="session")
def network() -> Builder:
    """Builds the network: network(form, threshold, shape, pattern)."""
    return _network


@pytest.fixture(scope="session")
def x() -> Array:
    """An input of the network, (2, 4, 13, 18)."""
    return np.random.default_rng(6).standard_normal((2, 4, 13, 18)).astype(np.float32)


@pytest.fixture(scope="session")
def run_plain() -> Callable[[onnx.ModelProto, Array], Array]:
    """Runs a model in ONNX Runtime without zaponnx's library: by the function bodies."""

    def run(model: onnx.ModelProto, x: Array) -> Array:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"X": x})[0])

    return run
