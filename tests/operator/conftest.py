"""Models of one ZapConv, and its formula written independently in numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zaponnx.operator import DOMAIN, INPUTS, RESIDUAL, VERSION
from zaponnx.operator.body import build_body
from zaponnx.patterns import Pattern

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Case:
    """One ZapConv with its inputs. The seed and the sizes fix everything."""

    batch: int = 2
    in_channels: int = 4
    channels: int = 6
    size: tuple[int, int] = (9, 8)
    kernel: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)
    dilations: tuple[int, int] = (1, 1)
    group: int = 1
    pattern: str = "B"
    threshold: tuple[float, ...] = (0.1,)
    bound: float = math.inf
    residual: bool = False
    nhwc: bool = False
    opset: int = 17
    poison: Mapping[str, float] = field(default_factory=dict)

    @property
    def operator(self) -> str:
        return f"ZapConv{'Residual' * self.residual}{'Nhwc' * self.nhwc}"

    def attributes(self) -> dict[str, Any]:
        pattern = Pattern.parse(self.pattern)
        return {
            "strides": list(self.strides),
            "pads": list(self.pads),
            "dilations": list(self.dilations),
            "group": self.group,
            "pattern": pattern.flat,
            "pattern_shape": list(pattern.shape),
            "threshold": list(self.threshold),
            "channels": self.channels,
            "bound": self.bound,
        }

    def output_size(self) -> tuple[int, int]:
        height, width = (
            (self.size[a] + self.pads[a] + self.pads[a + 2] - (self.kernel[a] - 1) * self.dilations[a] - 1)
            // self.strides[a]
            + 1
            for a in range(2)
        )
        return height, width

    def inputs(self) -> dict[str, Array]:
        """By name, X and Z in NCHW; the weights depend neither on the batch nor on the size."""
        rng = np.random.default_rng(7)
        m = self.channels
        shapes: dict[str, tuple[int, ...]] = {
            "W": (m, self.in_channels // self.group, *self.kernel),
            "B": (m,),
            "P1": (m, 1, 3, 3),
            "p1": (m,),
            "P2": (m, 1, 3, 3),
            "p2": (m,),
            "X": (self.batch, self.in_channels, *self.size),
            "Z": (self.batch, m, *self.output_size()),
        }
        arrays = {name: rng.normal(size=shape).astype(np.float32) * 0.5 for name, shape in shapes.items()}
        for name, value in self.poison.items():
            arrays[name].flat[arrays[name].size // 2] = value
        if not self.residual:
            del arrays["Z"]
        return arrays

    def fed(self) -> dict[str, Array]:
        """X and Z in the operator's layout."""
        arrays = {name: array for name, array in self.inputs().items() if name in ("X", "Z")}
        return {name: array.transpose(0, 2, 3, 1) for name, array in arrays.items()} if self.nhwc else arrays

    def model(self, *, body: bool = True) -> onnx.ModelProto:
        """The operator alone; X (and Z) of dynamic batch and size are inputs, the rest are initializers."""
        arrays = self.inputs()
        fed = list(self.fed())
        node = helper.make_node(
            self.operator, [*INPUTS, RESIDUAL][: len(arrays)], ["Y"], "zap", domain=DOMAIN, **self.attributes()
        )
        values = {}
        for name, channels in (("X", self.in_channels), ("Z", self.channels), ("Y", self.channels)):
            height, width = f"{name}h", f"{name}w"
            shape = ["N", height, width, channels] if self.nhwc else ["N", channels, height, width]
            values[name] = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        initializers = [numpy_helper.from_array(array, name) for name, array in arrays.items() if name not in fed]
        graph = helper.make_graph([node], "zap", [values[name] for name in fed], [values["Y"]], initializers)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset), helper.make_opsetid(DOMAIN, VERSION)],
            ir_version=10,
            functions=[build_body(self.operator, self.opset)] if body else [],
        )


def _conv(x: Array, w: Array, b: Array, strides: Any, pads: Any, dilations: Any, group: int) -> Array:
    """Convolution as in the textbook, one kernel tap at a time, in the type of x."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = [(w.shape[2 + a] - 1) * dilations[a] + 1 for a in range(2)]
    size = [(x.shape[2 + a] - reach[a]) // strides[a] + 1 for a in range(2)]
    grouped = x.reshape(x.shape[0], group, -1, *x.shape[2:])
    weights = w.reshape(group, -1, *w.shape[1:])
    y = np.zeros((x.shape[0], group, weights.shape[1], *size), x.dtype)
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            rows = slice(i * dilations[0], i * dilations[0] + (size[0] - 1) * strides[0] + 1, strides[0])
            columns = slice(j * dilations[1], j * dilations[1] + (size[1] - 1) * strides[1] + 1, strides[1])
            y += np.einsum("ngchw,gmc->ngmhw", grouped[..., rows, columns], weights[..., i, j])
    return y.reshape(x.shape[0], -1, *size) + b[:, None, None]


@dataclass(frozen=True)
class Expected:
    """R and V of the formula in float64, and where an output is computed for certain, or may be."""

    result: Array
    predicted: Array
    in_pattern: Array
    thresholds: Array

    def assert_matches(self, actual: Array) -> None:
        """Y is R where computed and 0 elsewhere; within rounding of the threshold it may be either.

        Sums of up to 36 products of size about 0.25 in float32: 1e-5 is more than 10 roundings of the largest.
        """
        assert actual.shape == self.result.shape
        tolerance = 1e-5
        near = np.abs(self.predicted - self.thresholds) < tolerance
        compute = self.in_pattern | ~(self.predicted <= self.thresholds)
        right = np.isclose(actual, np.where(compute, self.result, 0), rtol=tolerance, atol=tolerance, equal_nan=True)
        flipped = np.isclose(actual, np.where(compute, 0, self.result), rtol=tolerance, atol=tolerance)
        assert np.all(right | (near & flipped & ~self.in_pattern))

    @property
    def skipped(self) -> float:
        """The share of outputs that the threshold skips."""
        return float(np.mean(~self.in_pattern & (self.predicted <= self.thresholds)))


def _expect(case: Case) -> Expected:
    arrays = {name: array.astype(np.float64) for name, array in case.inputs().items()}
    summed = _conv(
        arrays["X"], arrays["W"], arrays["B"], case.strides, case.pads, case.dilations, case.group
    ) + arrays.get("Z", 0)
    # Not np.maximum alone: a NaN stays a NaN through ReLU and Min.
    result = np.minimum(np.maximum(summed, 0), case.bound)
    rows, columns = np.indices(result.shape[2:])
    tile = np.array(Pattern.parse(case.pattern).rows)
    in_pattern = tile[rows % tile.shape[0], columns % tile.shape[1]].astype(bool)
    depthwise: dict[str, Any] = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "group": case.channels}
    hidden = _conv(np.where(in_pattern, result, 0), arrays["P1"], arrays["p1"], **depthwise)
    predicted = _conv(np.maximum(hidden, 0), arrays["P2"], arrays["p2"], **depthwise)
    thresholds = np.array(case.threshold, np.float32).astype(np.float64).reshape(1, -1, 1, 1)
    shape = result.shape
    return Expected(
        result, predicted, np.broadcast_to(in_pattern, shape), np.broadcast_to(thresholds, (1, *shape[1:2], 1, 1))
    )


@pytest.fixture
def make_case() -> type[Case]:
    """The constructor of Case: make_case(channels=8, pattern="C", ...)."""
    return Case


@pytest.fixture
def expect() -> Callable[[Case], Expected]:
    """What the formula gives for a Case."""
    return _expect
