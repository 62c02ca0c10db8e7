"""Models for the tests of the graph passes, in ONNX's own text syntax with seeded random weights; running them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import zaponnx
from zaponnx.artifacts import Predictor
from zaponnx.graph.converted import zap_convs
from zaponnx.graph.finding import find_matches
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.patterns import Pattern

ModelBuilder = Callable[..., onnx.ModelProto]


@pytest.fixture
def build_model() -> ModelBuilder:
    """Builds build_model(text, W=(8, 4, 3, 3), ...): the nodes in `text`, a tensor of random weights per keyword.

    The text is "inputs => outputs { nodes }". The names of variances start with "var": they are positive.
    """

    def build(text: str, *, opset: int = 17, ir_version: int = 8, **shapes: tuple[int, ...]) -> onnx.ModelProto:
        model = onnx.parser.parse_model(f'<ir_version: {ir_version}, opset_import: ["": {opset}]> net {text}')
        rng = np.random.default_rng(0)
        for name, shape in shapes.items():
            values = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
            values = np.abs(values) + 0.5 if name.startswith("var") else values
            model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
        return model

    return build


def _predictor(channels: int) -> Predictor:
    rng = np.random.default_rng(1)
    shapes = ((channels, 1, 3, 3), (channels,), (channels, 1, 3, 3), (channels,))
    return Predictor(*(rng.normal(size=shape).astype(np.float32) for shape in shapes))


@pytest.fixture
def predictor() -> Predictor:
    """A predictor of eight channels, the one that `convert` gives to such sites."""
    return _predictor(8)


@pytest.fixture
def convert() -> Callable[..., onnx.ModelProto]:
    """A copy of a model, upgraded, with all its sites rewritten: convert(model, threshold=(0.5,), pattern="B")."""

    def rewritten(
        model: onnx.ModelProto, threshold: tuple[float, ...] = (-math.inf,), pattern: str = "B"
    ) -> onnx.ModelProto:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        copy, _ = to_dense(copy, lambda upgraded: find_matches(upgraded)[0])
        replacements = [
            Replacement(match, _predictor(match.weights.shape[0]), threshold, Pattern.parse(pattern))
            for match in find_matches(copy)[0]
        ]
        to_zap_convs(copy, replacements, "nchw")
        return copy

    return rewritten


@pytest.fixture
def network(build_model: ModelBuilder) -> ModelBuilder:
    """Builds network(nodes, V=(8, 8, 1, 1), ...): x → [stem] Conv → Relu → s (N, 8, 12, 11), then `nodes`, up to y.

    The nodes may read the weights W (8, 8, 3, 3), the batch norm's scale, shift, mean and var (8), and what they are
    given; CONV stands for a Conv named "conv" of s and W, which writes c.
    """
    stem = "float[N,4,12,11] x) => (float[N,8,h,w] y) { [stem] c0 = Conv<pads=[1,1,1,1]>(x, W0) s = Relu(c0)"
    weights = {"W0": (8, 4, 3, 3), "W": (8, 8, 3, 3), **dict.fromkeys(("scale", "shift", "mean", "var"), (8,))}

    def build(nodes: str, inputs: str = "", **options: Any) -> onnx.ModelProto:
        nodes = nodes.replace("CONV", "[conv] c = Conv<pads=[1,1,1,1]>(s, W)")
        return build_model(f"({inputs} {stem} {nodes} }}", **weights, **options)

    return build


@pytest.fixture
def assert_equal(
    convert: Callable[..., onnx.ModelProto], run: Callable[..., list[Any]]
) -> Callable[..., onnx.ModelProto]:
    """Converts a model that has one site and gives the result: assert_equal(model).

    The result is valid and has one ZapConv. At threshold −∞ it equals the model up to float32 roundings of sums of 72
    products of size one, and a second conversion changes nothing.
    """

    def converted(model: onnx.ModelProto) -> onnx.ModelProto:
        result = convert(model)
        onnx.checker.check_model(result, full_check=True)
        assert len(zap_convs(result)) == 1
        expected = run(model)[0]
        assert expected.any()
        np.testing.assert_allclose(run(result)[0], expected, rtol=1e-5, atol=1e-5)
        assert convert(result).SerializeToString(deterministic=True) == result.SerializeToString(deterministic=True)
        return result

    return converted


@pytest.fixture
def run() -> Callable[..., list[Any]]:
    """The outputs of a model for random x, by the bodies or by the library: run(model, shape, library=True)."""

    def outputs(model: onnx.ModelProto, shape: tuple[int, ...] = (2, 4, 12, 11), *, library: bool = False) -> list[Any]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if library:
            zaponnx.register(options)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
        return list(session.run(None, {"x": x}))

    return outputs
