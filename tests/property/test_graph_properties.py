"""Properties of the graph passes: one verdict for each Conv, valid models, and what must stay as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import replace
from typing import Any

import onnx
from hypothesis import given
from hypothesis import strategies as st
from onnx import checker, shape_inference

from tests.property.conversions import Conversion, conversions
from tests.property.networks import Network, networks
from zaponnx.graph.constants import CONSTANT_OPERATORS
from zaponnx.graph.finding import find_sites
from zaponnx.graph.originals import originals, restore
from zaponnx.graph.upgrading import upgrade
from zaponnx.operator import DOMAIN
from zaponnx.operator.schema import register_schemas

LAYOUTS = st.sampled_from(["nchw", "auto"])


@given(networks(newest=True), st.booleans())
def test_each_conv_is_a_site_or_has_one_reason(network: Network, include_first: bool) -> None:
    """Wherever it is: in subgraphs and functions, too."""
    sites, refusals = find_sites(network.model, include_first=include_first)
    convs = [node.name or node.output[0] for node in all_nodes(network.model) if node.op_type == "Conv"]
    assert Counter(verdict.name for verdict in (*sites, *refusals)) == Counter(convs)
    assert len({site.output for site in sites}) == len(sites)
    assert all(refusal.reason and "\n" not in refusal.reason for refusal in refusals)


@given(networks(newest=True), conversions())
def test_upgraded_and_folded_a_model_has_the_same_sites(network: Network, conversion: Conversion) -> None:
    """By the same names: a Conv without a name has that of its output, also when folding changes that. A constant
    residual may have got another name."""
    dense = conversion.dense(network.model)
    upgraded, _ = upgrade(copied(network.model))
    original, *later = (
        [
            replace(site, residual=str(bool(site.residual)))
            for site in find_sites(model, include_first=conversion.include_first)[0]
        ]
        for model in (network.model, upgraded, dense)
    )
    assert later == [original, original]


@given(networks(newest=True), conversions(), LAYOUTS)
def test_the_result_is_valid(network: Network, conversion: Conversion, layout: str) -> None:
    checker.check_model(network.model, full_check=True)
    register_schemas()
    converted = conversion.convert(conversion.dense(network.model), layout=layout)
    checker.check_model(converted, full_check=True)
    shape_inference.infer_shapes(converted, check_type=True, strict_mode=True, data_prop=True)


@given(networks(newest=True), conversions(), LAYOUTS)
def test_a_second_run_changes_nothing(network: Network, conversion: Conversion, layout: str) -> None:
    dense = conversion.dense(network.model)
    assert conversion.dense(dense) == dense
    converted = conversion.convert(dense, layout=layout)
    assert conversion.convert(conversion.dense(converted), layout=layout) == converted


@given(networks(newest=True), conversions(), LAYOUTS)
def test_the_dense_model_can_be_restored(network: Network, conversion: Conversion, layout: str) -> None:
    dense = conversion.dense(network.model)
    converted = conversion.convert(dense, layout=layout)
    restore(converted, originals(dense.graph, converted.graph))
    assert converted == dense


@given(networks(newest=True), conversions(), LAYOUTS)
def test_what_is_no_part_of_a_site_is_untouched(network: Network, conversion: Conversion, layout: str) -> None:
    dense = conversion.dense(network.model)  # which leaves out the networks that cannot be upgraded
    upgraded, _ = upgrade(copied(network.model))
    assert_untouched(upgraded, dense, parts(conversion, upgraded))
    assert_untouched(dense, conversion.convert(dense, layout=layout), parts(conversion, dense))


def parts(conversion: Conversion, model: onnx.ModelProto) -> set[str]:
    """What the nodes of the sites write."""
    return {tensor.name for match in conversion.sites(model) for node in match.nodes for tensor in node.outputs}


def assert_untouched(before: onnx.ModelProto, after: onnx.ModelProto, parts: Set[str]) -> None:
    """What is the same but for sites, and for constants that nothing but sites has read.

    Args:
        before, after: Models before and after some passes.
        parts: What the nodes of the sites write in the first one.
    """
    read = {name for node in all_nodes(after) for name in node.input}
    nodes = {node.output[0]: node for node in before.graph.node if node.output[0] not in parts}
    present = [node for node in after.graph.node if node.output[0] in nodes]
    assert present == [node for name, node in nodes.items() if name in {node.output[0] for node in present}]
    gone = [node for node in nodes.values() if node not in present]
    assert all(node.op_type in CONSTANT_OPERATORS and read.isdisjoint(node.output) for node in gone)
    no_more = {name for node in gone for name in node.output} | parts
    read_once = {name for node in before.graph.node if not no_more.isdisjoint(node.output) for name in node.input}
    assert_kept(before, after, "initializer", "name", read_once - read)
    gone_names = (no_more | read_once) - {name for node in after.graph.node for name in node.output}
    assert_kept(before, after, "value_info", "name", gone_names)
    assert_kept(before, after, "quantization_annotation", "tensor_name", gone_names)
    rest = [copied(model) for model in (before, after)]
    for model in rest:
        for field in ("node", "initializer", "value_info", "quantization_annotation"):
            model.graph.ClearField(field)
        for entries in (model.functions, model.opset_import):
            own = [entry for entry in entries if entry.domain == DOMAIN]
            for entry in own:
                entries.remove(entry)
    assert rest[0] == rest[1]


def assert_kept(before: onnx.ModelProto, after: onnx.ModelProto, field: str, key: str, may_go: Set[str]) -> None:
    """All of a field's items are there, as they were and in their order, but for some that may be gone."""
    items = {getattr(item, key): item for item in getattr(before.graph, field)}
    present = [item for item in getattr(after.graph, field) if getattr(item, key) in items]
    names = {getattr(item, key) for item in present}
    assert present == [item for name, item in items.items() if name in names]
    assert items.keys() - names <= may_go


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def all_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """The nodes of the main graph, of subgraphs and of functions of the model's own."""
    pending: list[Any] = [model.graph, *(function for function in model.functions if function.domain != DOMAIN)]
    while pending:
        for node in pending.pop().node:
            yield node
            pending += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
