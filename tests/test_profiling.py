"""Whose time a node's is: on graphs as ONNX Runtime makes them, with times that the tests make up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.benchmark import interleaved_times
from zaponnx.errors import ModelError
from zaponnx.profiling import ProfiledSession, charged, numbered
from zaponnx.runtime import open_session, session_options
from zaponnx.self_check import tiny_model

NETWORK = """<ir_version: 8, opset_import: ["": 17]>
net (float[N,16,12,12] x, bool flag) => (float[N,16,12,12] r2, float[N,16,12,12] chosen) {
    [one] c1 = Conv<pads=[1,1,1,1]>(x, W) r1 = Relu(c1)
    [two] c2 = Conv<pads=[1,1,1,1]>(r1, W) a = Add(c2, r1) r2 = Relu(a)
    head = Conv<pads=[1,1,1,1]>(r2, W)
    chosen = If (flag) <
        then_branch = yes () => (float[N,16,12,12] t) { t = Identity(r1) },
        else_branch = no () => (float[N,16,12,12] e) { e = Identity(head) }
    >
}"""
SITES = [["c1", "r1"], ["c2", "a", "r2", "absent"]]


def network() -> onnx.ModelProto:
    model = onnx.parser.parse_model(NETWORK)
    weights = np.random.default_rng(0).normal(size=(16, 16, 3, 3)).astype(np.float32) / 12
    model.graph.initializer.append(numpy_helper.from_array(weights, "W"))
    return model


@pytest.fixture
def feed() -> dict[str, np.ndarray]:
    x = np.random.default_rng(1).normal(size=(1, 16, 12, 12)).astype(np.float32)
    return {"x": x, "flag": np.array(True)}


def nodes(text: str) -> list[onnx.NodeProto]:
    """The nodes of a graph; as each writes one tensor, they are named after these."""
    graph = onnx.parser.parse_graph(f"net (float x) => (float y) {{ {text} }}")
    for node in graph.node:
        node.name = node.output[0].replace("site", "zaponnx.site") + ":"
    return list(graph.node)


def totals(text: str, **times: float) -> dict[int, float]:
    named = {name.replace("site", "zaponnx.site") + ":": np.array([value]) for name, value in times.items()}
    return {site: float(series[0]) for site, series in charged(nodes(text), named).items()}


def test_a_site_has_the_time_of_its_own_nodes() -> None:
    text = "site0 = Conv(x) site1 = Conv(site0) other = Relu(site1) y = Conv(other)"
    assert totals(text, site0=1, site1=2, other=4, y=8) == {0: 1, 1: 2}


def test_conversions_count_for_the_site_beside_them() -> None:
    text = "a = Conv(x) b = ReorderOutput(a) site0 = ZapConv(b) c = ReorderInput(site0) y = Conv(c)"
    assert totals(text, a=1, b=2, site0=4, c=8, y=16) == {0: 14}


def test_conversions_of_others_count_for_nobody() -> None:
    text = "a = Conv(x) b = ReorderOutput(a) c = Relu(b) d = ReorderInput(c) site0 = Conv(d)"
    assert totals(text, a=1, b=2, c=4, d=8, site0=16) == {0: 24}


def test_conversions_that_sites_share_count_for_them_in_equal_parts() -> None:
    text = "a = Conv(x) b = ReorderOutput(a) site0 = ZapConv(b) site1 = ZapConv(site0, b) y = Relu(b)"
    assert totals(text, a=1, b=2, site0=4, site1=8) == {0: 5, 1: 9}


def test_conversions_in_a_row_count_all() -> None:
    text = (
        "a = Conv(x) b = ReorderOutput(a) c = Transpose(b) site0 = ZapConv(c) d = Transpose(site0) y = ReorderInput(d)"
    )
    assert totals(text, a=1, b=2, c=4, site0=8, d=16, y=32) == {0: 62}


def test_numbers_change_nothing_but_names(feed) -> None:
    """Also where a subgraph reads a site's output; nodes without a name get one."""
    model = network()
    copy = numbered(model, SITES)
    assert model == network()
    expected, actual = (
        open_session(each.SerializeToString(), session_options(), None, "test").run(None, feed)
        for each in (model, copy)
    )
    for before, after in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(before, after)
    names = [node.name for node in copy.graph.node]
    assert len(set(names)) == len(names)
    assert [output.name for output in copy.graph.output] == ["zaponnx.site1:r2", "chosen"]


def test_a_zap_conv_in_nhwc_has_the_number_of_the_tensor_that_it_has_in_nhwc() -> None:
    model = tiny_model()
    model.graph.node[0].op_type, model.graph.node[0].output[0] = "ZapConvNhwc", "Y/nhwc"
    model.graph.node.append(onnx.helper.make_node("Transpose", ["Y/nhwc"], ["Y"], perm=[0, 3, 1, 2]))
    zap_conv, transpose = numbered(model, [["Y"]]).graph.node
    assert zap_conv.name.startswith("zaponnx.site0:")
    assert (list(zap_conv.output), list(transpose.output)) == (["zaponnx.site0:Y/nhwc"], ["zaponnx.site0:Y"])


def test_each_site_is_found_in_what_onnxruntime_makes_of_the_model(feed, tmp_path: Path) -> None:
    """It fuses all of a site's nodes into one, and adds conversions; the last runs are counted."""
    profiled = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        profiled.append(ProfiledSession(network(), SITES, tmp_path / name, threads=1))
    interleaved_times([each.session for each in profiled], [feed], 3, 2)
    for each in profiled:
        series = each.series(3)
        assert [len(times) for times in series] == [3, 3]
        assert min(times.min() for times in series) > 0
    optimized = onnx.load_model(tmp_path / "first" / "optimized.onnx", load_external_data=False)
    operators = {node.op_type for node in optimized.graph.node}
    assert "Add" not in operators, "fused, else nothing is tested here"
    ones = {node.name: np.ones(1) for node in optimized.graph.node}
    conversions = sum(node.op_type.startswith("Reorder") for node in optimized.graph.node)
    found = charged(optimized.graph.node, ones)
    assert 2 <= sum(float(times[0]) for times in found.values()) <= 2 + conversions


def test_a_site_that_is_not_in_the_profile_is_named(feed, tmp_path: Path) -> None:
    profiled = ProfiledSession(network(), [["c1", "r1"], ["c9", "r9"]], tmp_path, threads=1)
    profiled.session.run(None, feed)
    with pytest.raises(ModelError, match=r"convert: the layer of output 'r9': .*; convert without tuning"):
        profiled.series(1)
