"""Value infos: stale ones are dropped and do not mislead; others stay, and say what ONNX does not infer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx
import pytest
from onnx import TensorProto, helper

from zaponnx.graph.finding import find_matches, find_sites
from zaponnx.graph.passes import to_dense
from zaponnx.graph.value_infos import drop_stale_value_infos

ModelBuilder = Callable[..., onnx.ModelProto]

BLOCK = "CONV a = Add(c, s) y = Relu(a)"
STALE = {
    "size": (["N", 8, 99, 11], TensorProto.FLOAT),
    "rank": (["N", 8, 12], TensorProto.FLOAT),
    "type": (["N", 8, 12, 11], TensorProto.DOUBLE),
}
KEPT: dict[str, Sequence[int | str | None] | None] = {
    "the same": ["N", 8, 12, 11],
    "other symbols": ["unk__1", 8, "unk__2", 11],
    "less": [None, 8, None, None],
    "nothing": None,
}


def stated(model: onnx.ModelProto, name: str, shape: Sequence[int | str | None] | None, kind: int) -> onnx.ModelProto:
    model.graph.value_info.append(helper.make_tensor_value_info(name, kind, shape))
    return model


@pytest.mark.parametrize("name", ["s", "c", "a"])
@pytest.mark.parametrize(("shape", "kind"), STALE.values(), ids=STALE.keys())
def test_stale_ones_go_and_do_not_mislead(network: ModelBuilder, name: str, shape: list[int | str], kind: int) -> None:
    model = stated(network(BLOCK), name, shape, kind)
    assert find_sites(model) == find_sites(network(BLOCK))
    assert len(find_sites(model)[0]) == 1
    dense, changes = to_dense(model, lambda each: find_matches(each)[0])
    assert changes.stale == (name,)
    assert not dense.graph.value_info
    onnx.checker.check_model(dense, full_check=True)


@pytest.mark.parametrize("shape", KEPT.values(), ids=KEPT.keys())
def test_others_stay_and_do_not_mislead(network: ModelBuilder, shape: Sequence[int | str | None] | None) -> None:
    """Some exporters give each tensor a symbol of its own for the same batch."""
    model = stated(network(BLOCK), "s", shape, TensorProto.FLOAT)
    assert drop_stale_value_infos(model) == ()
    assert len(model.graph.value_info) == 1
    assert len(find_sites(model)[0]) == 1


def test_they_say_what_cannot_be_inferred(network: ModelBuilder) -> None:
    """The shape of what another domain's operator gives."""
    nodes = "r = other.domain.Rotate(s) CONV a = Add(c, r) y = Relu(a)"
    model = network(nodes)
    model.opset_import.append(helper.make_opsetid("other.domain", 1))
    assert "unknown" in find_sites(model)[1][1].reason
    stated(model, "r", ["N", 8, 12, 11], TensorProto.FLOAT)
    assert len(find_sites(model)[0]) == 1
    assert drop_stale_value_infos(model) == ()
