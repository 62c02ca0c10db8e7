"""normalize: channels of mean 0 and deviation 1 behind every Conv and batch norm; what is shared or tiny stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zoo.equality import run
from zoo.normalizing import normalize


def values(model: onnx.ModelProto, name: str) -> Any:
    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name))


def test_channels_have_mean_zero_and_deviation_one(network: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    normalize(network, feeds, seed=0)
    c1, n2, c3 = run(network, ["c1", "n2", "c3"], feeds)
    np.testing.assert_allclose(c1.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(c1.std((0, 2, 3)), 1, rtol=1e-3)
    np.testing.assert_allclose(n2.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(n2.std((0, 2, 3)), values(network, "scale"), rtol=1e-3)
    np.testing.assert_allclose(c3.std((0, 2, 3)), 1, rtol=1e-3)  # no bias: the mean stays


def test_batch_norms_do_something(network: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    """So that an error in folding them would show: the weights before one are left as they are."""
    before = values(network, "W2")
    normalize(network, feeds, seed=0)
    np.testing.assert_array_equal(values(network, "W2"), before)
    assert np.ptp(values(network, "scale")) > 0.1
    assert np.all(values(network, "variance") > 10)
    assert np.all(np.abs(values(network, "mean")) > 0)


@pytest.mark.parametrize("shared", ["W1", "B1"])
def test_shared_weights_are_set_once(network: onnx.ModelProto, feeds: dict[str, Any], shared: str) -> None:
    """For their first reader; what another reader makes of them is up to them."""
    conv = next(node for node in network.graph.node if node.output[0] == "c2")
    conv.input[:] = ["r1", "W1" if shared == "W1" else "W2", "B1"]
    network.graph.node.remove(next(node for node in network.graph.node if node.output[0] == "n2"))
    next(node for node in network.graph.node if node.output[0] == "a2").input[0] = "c2"
    normalize(network, feeds, seed=0)
    [c1] = run(network, ["c1"], feeds)
    np.testing.assert_allclose(c1.std((0, 2, 3)), 1, rtol=1e-3)


def test_few_pixels_are_no_statistics(network: onnx.ModelProto, feeds: dict[str, Any]) -> None:
    """As in squeeze-and-excitation: with one image, its only pixel would become 0 or infinite."""
    conv = next(node for node in network.graph.node if node.output[0] == "c3")
    network.graph.node.remove(next(node for node in network.graph.node if node.output[0] == "p"))
    pool = onnx.helper.make_node("GlobalAveragePool", ["r2"], ["p"])
    network.graph.node.insert(list(network.graph.node).index(conv), pool)
    conv.input[0] = "p"
    next(node for node in network.graph.node if node.output[0] == "f").input[0] = "r3"
    before = values(network, "W3")
    normalize(network, {"x": feeds["x"][:1]}, seed=0)
    np.testing.assert_array_equal(values(network, "W3"), before)
