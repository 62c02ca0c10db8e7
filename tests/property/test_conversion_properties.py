"""Properties of all conversions: what a converted model computes, and what it leaves as it was."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given

from tests.property.conversions import Conversion, conversions
from tests.property.networks import Network, networks
from tests.property.running import (
    assert_close,
    expected_outputs,
    in_nchw,
    inlined,
    run,
    run_original,
    run_reference,
    with_activations,
    zap_convs_alone,
)
from zaponnx.graph.converted import zap_convs


@given(networks(), conversions())
def test_at_threshold_minus_infinity_it_equals_the_original(network: Network, conversion: Conversion) -> None:
    expected = run_original(network)
    converted = conversion.convert(conversion.dense(network.model), thresholds=(-math.inf,))
    for library in (False, True):
        assert_close(run(converted, network.inputs, library=library), expected)


@given(networks(), conversions())
def test_each_zap_conv_is_the_formula(network: Network, conversion: Conversion) -> None:
    """In each way to run a model, each ZapConv gives what the formula makes of what it had in that run."""
    model = with_activations(conversion.convert(conversion.dense(network.model)))
    nodes = zap_convs(model)
    runs = {
        "library": run(model, network.inputs, library=True, optimized=False),
        "function bodies": run(model, network.inputs, optimized=False),
        "inlined": run(inlined(model), network.inputs, optimized=False),
    }
    if nodes:
        alone = zap_convs_alone(model)
        values = {**runs["library"], **network.inputs}
        outputs = run_reference(alone, {value.name: values[value.name] for value in alone.graph.input})
        runs["reference"] = {**values, **{node.output[0]: outputs[f"{node.output[0]} alone"] for node in nodes}}
    for values in runs.values():
        for node, (name, expected) in zip(nodes, expected_outputs(model, {**network.inputs, **values}), strict=True):
            size = max(1.0, np.abs(expected.result).max(initial=0), np.abs(expected.predicted).max(initial=0))
            expected.assert_matches(in_nchw(node, values[name]), tolerance=1e-5 * size)


@given(networks(), conversions())
def test_layouts_give_the_same_bits(network: Network, conversion: Conversion) -> None:
    run_original(network)
    dense = conversion.dense(network.model)
    nchw, auto = (
        run(conversion.convert(dense, layout=layout), network.inputs, library=True) for layout in ("nchw", "auto")
    )
    for name, expected in nchw.items():
        np.testing.assert_array_equal(auto[name], expected)
