"""Model files as bytes: what is parsed without weights is written with them, byte for byte the same."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from zaponnx import wire
from zaponnx.weights import LARGE, extent, values

TEXT = """<ir_version: 8, opset_import: ["": 17]> net (float[N,8] x) => (float[N,8] y) {
    large = MatMul(x, W) small = Add(large, B) z = Constant<value = float[3] {1, 2, 3}>() y = Relu(small) }"""


def network() -> onnx.ModelProto:
    model = onnx.parser.parse_model(TEXT)
    weights = np.arange(LARGE // 4, dtype=np.float32).reshape(8, -1)
    for name, array in (("W", weights), ("B", np.ones(8, np.float32)), ("V", -weights)):
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    model.graph.doc_string = "after the initializers, in the file"
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(network().SerializeToString())
    return path


def test_large_initializers_stay_in_the_file(path: Path) -> None:
    model = wire.parse(path)
    found = {tensor.name: extent(tensor) for tensor in model.graph.initializer}
    assert {name: place is not None and place.path == path for name, place in found.items()} == {
        "W": True,
        "B": False,
        "V": True,
    }
    assert model.ByteSize() < LARGE
    for tensor, original in zip(model.graph.initializer, network().graph.initializer, strict=True):
        np.testing.assert_array_equal(values(tensor), numpy_helper.to_array(original))


def test_the_rest_is_parsed_as_it_is(path: Path) -> None:
    model, original = wire.parse(path), network()
    for each in (model, original):
        del each.graph.initializer[:]
    assert model == original


def test_a_model_is_written_with_its_weights(path: Path) -> None:
    stream = io.BytesIO()
    wire.write(wire.parse(path), stream)
    assert stream.getvalue() == path.read_bytes()


def test_weights_in_memory_are_written_too(path: Path) -> None:
    model = wire.parse(path)
    changed = np.ones(LARGE, np.float32)
    model.graph.initializer[2].CopyFrom(numpy_helper.from_array(changed, "V"))
    stream = io.BytesIO()
    wire.write(model, stream)
    written = onnx.ModelProto.FromString(stream.getvalue())
    assert written.graph.initializer[0] == network().graph.initializer[0]
    np.testing.assert_array_equal(numpy_helper.to_array(written.graph.initializer[2]), changed)


def test_fields_of_every_kind_pass(tmp_path: Path) -> None:
    """Numbers of seven bits and more, of four and eight bytes, and fields that ONNX does not know."""
    node = onnx.helper.make_node("Op", [], ["y"], a=1.5, i=-1, b=2**40, floats=[1.0, 2.0])
    model = onnx.ModelProto(ir_version=8, model_version=2**62)
    model.graph.node.append(node)
    unknown = bytes([0x9D, 0x7D, 1, 2, 3, 4, 0x99, 0x7D, *range(8)])  # number 2003, of four bytes and of eight
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString() + unknown)
    assert wire.parse(path).SerializeToString() == path.read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"\x3a", b"\x3a\x05\x2a", b"\x3a\x80\x80", b"\x0b", b"\xff" * 12, b"\x3a\x02\x2a\x05", b"\x09\x01"],
    ids=["no length", "short", "no end of length", "group", "no end of tag", "beyond the graph", "short number"],
)
def test_what_is_no_protobuf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(DecodeError):
        wire.parse(path)
