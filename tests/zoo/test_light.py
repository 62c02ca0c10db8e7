"""The light graphs: the same network as shipped, with initializers in place of constant fills."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.graph.finding import find_sites
from zoo.light import light_graph, shipped_graph


@pytest.mark.parametrize("name", ["light_squeezenet", "light_inception_v2", "light_shufflenet"])
def test_sites_are_those_of_the_graph_as_shipped(name: str) -> None:
    """Behind ConstantOfShape, the weights are constant as well."""
    shipped, filled = shipped_graph(name), light_graph(name, seed=0)
    assert any(node.op_type == "ConstantOfShape" for node in shipped.graph.node)
    assert not any(node.op_type == "ConstantOfShape" for node in filled.graph.node)
    assert find_sites(filled) == find_sites(shipped)


def test_initializers_are_inputs_too() -> None:
    model = light_graph("light_squeezenet", seed=0)
    onnx.checker.check_model(model)
    assert (model.ir_version, model.opset_import[0].version) == (3, 9)
    inputs = {value.name for value in model.graph.input}
    assert inputs == {tensor.name for tensor in model.graph.initializer} | {"data_0"}


def test_weights_are_random_and_seeded() -> None:
    name = "light_squeezenet"
    first, same, other = (light_graph(name, seed) for seed in (0, 0, 1))
    assert first == same != other
    weights = next(tensor for tensor in first.graph.initializer if tensor.name == "fire9/expand3x3_w_0")
    values = numpy_helper.to_array(weights)
    assert values.std() == pytest.approx(np.sqrt(2 / (64 * 9)), rel=0.02)
