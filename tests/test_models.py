"""Models on disk: round trips, external data, hashes, and everything that must be refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zaponnx.errors import ModelError
from zaponnx.models import external_files, load_model, model_sha256, save_model, staged_model


def conv_model() -> onnx.ModelProto:
    weights = np.random.default_rng(0).normal(size=(64, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "W"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 64, "h", "w"])],
        [numpy_helper.from_array(weights, "W")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("external_data", [False, True])
def test_round_trip(tmp_path: Path, external_data: bool) -> None:
    path = tmp_path / "model.onnx"
    save_model(conv_model(), path, external_data=external_data)
    loaded, original = load_model(path, "test"), conv_model()
    assert loaded.graph.node == original.graph.node
    np.testing.assert_array_equal(*(numpy_helper.to_array(m.graph.initializer[0]) for m in (loaded, original)))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"][: 1 + external_data]
    assert external_files(path) == ([tmp_path / "model.onnx.data"] if external_data else [])


def test_hash_covers_external_data(tmp_path: Path) -> None:
    path, data = tmp_path / "model.onnx", tmp_path / "model.onnx.data"
    save_model(conv_model(), path, external_data=True)
    before = model_sha256(path)
    assert before == model_sha256(path)
    content = bytearray(data.read_bytes())
    content[7] ^= 1
    data.write_bytes(content)
    assert model_sha256(path) != before


def test_hash_covers_the_file(tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    save_model(conv_model(), first)
    other = conv_model()
    other.graph.name = "other"
    save_model(other, second)
    assert model_sha256(first) != model_sha256(second)


def test_nothing_appears_when_a_check_fails(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"

    def fail() -> None:
        with staged_model(conv_model(), path, external_data=True) as staged:
            assert staged.name == path.name
            load_model(staged, "test")
            raise RuntimeError("check")

    with pytest.raises(RuntimeError, match="check"):
        fail()
    assert list(tmp_path.iterdir()) == []


def other_weights() -> onnx.ModelProto:
    model = conv_model()
    model.graph.name = "other"
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((64, 3, 3, 3), np.float32), "W"))
    return model


def test_data_of_a_model_that_is_replaced_do_not_stay(tmp_path: Path) -> None:
    path, data = tmp_path / "model.onnx", tmp_path / "model.onnx.data"
    save_model(conv_model(), path, external_data=True)
    save_model(other_weights(), path, external_data=True)
    assert numpy_helper.to_array(load_model(path, "test").graph.initializer[0]).min() == 1
    save_model(conv_model(), path)
    assert list(tmp_path.iterdir()) == [path]
    data.write_bytes(b"of something else")
    save_model(conv_model(), path)
    assert data.read_bytes() == b"of something else"


@pytest.mark.parametrize(("before", "after"), [(True, True), (True, False), (False, True)])
def test_a_crash_leaves_no_model_with_weights_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool, after: bool
) -> None:
    """At every change of the directory: the model is the old one, the new one, or not there."""
    replace, unlink = Path.replace, Path.unlink
    for crash in range(4):
        path = tmp_path / str(crash) / "model.onnx"
        path.parent.mkdir()
        save_model(conv_model(), path, external_data=before)
        left = crash

        def step(file: Path, *target: Path) -> object:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            return replace(file, *target) if target else unlink(file)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", step)
            patch.setattr(Path, "unlink", step)
            with contextlib.suppress(KeyboardInterrupt):
                save_model(other_weights(), path, external_data=after)
        if path.exists():
            graph = load_model(path, "test").graph
            expected = (other_weights() if graph.name == "other" else conv_model()).graph.initializer[0]
            np.testing.assert_array_equal(*map(numpy_helper.to_array, (graph.initializer[0], expected)))
            assert graph.name == "other" or left == 0
        else:
            assert left == 0


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_model(conv_model(), path)
    content = path.read_bytes()
    for length in [*range(0, 200), *range(200, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ModelError) as caught:
            load_model(path, "convert")
        assert caught.value.phase == "convert"
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(100), b"hello world", b"{}", b"PK\3\4" + bytes(50), bytes(1000)],
    ids=["png", "text", "json", "zip", "zeros"],
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="not an ONNX model"):
        load_model(path, "test")


def test_missing_empty_and_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path / "none.onnx", "test")
    with pytest.raises(ModelError, match="no such file"):
        load_model(tmp_path, "test")
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelError, match="empty"):
        load_model(tmp_path / "empty.onnx", "test")


def test_invalid_graphs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    cyclic = conv_model()
    cyclic.graph.node.append(helper.make_node("Relu", ["b"], ["a"]))
    cyclic.graph.node.append(helper.make_node("Relu", ["a"], ["b"]))
    without_weights = conv_model()
    del without_weights.graph.initializer[:]
    for model in (cyclic, without_weights):
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ModelError, match="not a valid ONNX model"):
            load_model(path, "test")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "sub/../../secret"])
def test_external_data_outside_the_directory_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(10000))
    directory = tmp_path / "model"
    directory.mkdir()
    path = directory / "model.onnx"
    save_model(conv_model(), path, external_data=True)
    model = onnx.load_model(path, load_external_data=False)
    next(entry for entry in model.graph.initializer[0].external_data if entry.key == "location").value = location
    path.write_bytes(model.SerializeToString())
    for read in (load_model, model_sha256):
        with pytest.raises(ModelError, match="outside the model's directory"):
            read(path, "test")


@pytest.mark.parametrize(("keep", "problem"), [(None, "missing"), (100, "truncated")])
def test_missing_or_short_external_data_is_refused(tmp_path: Path, keep: int | None, problem: str) -> None:
    path, data = tmp_path / "model.onnx", tmp_path / "model.onnx.data"
    save_model(conv_model(), path, external_data=True)
    content = data.read_bytes()
    data.unlink()
    if keep is not None:
        data.write_bytes(content[:keep])
    for read in (load_model, model_sha256):
        with pytest.raises(ModelError, match=f"'model.onnx.data' is {problem}"):
            read(path, "test")


def test_external_data_without_a_valid_offset_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_model(conv_model(), path, external_data=True)
    model = onnx.load_model(path, load_external_data=False)
    next(entry for entry in model.graph.initializer[0].external_data if entry.key == "offset").value = "here"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="tensor 'W': its external data have no valid offset and length"):
        load_model(path, "test")


def read(path: Path) -> onnx.ModelProto:
    """The whole model, wherever its weights are."""
    model = onnx.load_model(path)
    for tensor in model.graph.initializer:
        tensor.ClearField("data_location")
    return model


def large_model() -> onnx.ModelProto:
    """With weights of 64 KiB, of 6 KiB, and of 64 KiB behind a Constant."""
    model = conv_model()
    values = np.random.default_rng(1).normal(size=(128, 128)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(values, "V"))
    model.graph.node.append(helper.make_node("Constant", [], ["C"], value=numpy_helper.from_array(-values, "value")))
    return model


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_large_initializers_stay_on_disk(tmp_path: Path, before: bool, after: bool) -> None:
    path, copied = tmp_path / "model.onnx", tmp_path / "copied.onnx"
    save_model(large_model(), path, external_data=before)
    loaded = load_model(path, "test")
    small, large = loaded.graph.initializer
    assert (small.HasField("raw_data"), large.HasField("raw_data")) == (True, False)
    assert large.ByteSize() < 1000
    save_model(loaded, copied, external_data=after)
    assert read(copied) == large_model()
    save_model(loaded, path, external_data=after)
    assert read(path) == large_model(), "the file that it refers to is replaced after it is read"


def test_data_begin_at_pages_and_small_tensors_stay_in_the_model(tmp_path: Path) -> None:
    """So that they can be mapped into memory, and target shapes, say, are found without external data."""
    model = large_model()
    model.graph.initializer.append(numpy_helper.from_array(np.arange(128), "shape"))
    save_model(model, tmp_path / "model.onnx", external_data=True)
    tensors = {
        tensor.name: tensor
        for tensor in onnx.load_model(tmp_path / "model.onnx", load_external_data=False).graph.initializer
    }
    offsets = {name: int(tensor.external_data[1].value) for name, tensor in tensors.items() if tensor.external_data}
    assert offsets == {"W": 0, "V": 8192}


def test_what_a_protobuf_cannot_hold_becomes_external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of 2 GB and more, were the limit not lower here; in memory it is no larger than the others."""
    path, written = tmp_path / "model.onnx", tmp_path / "written.onnx"
    save_model(large_model(), path)
    monkeypatch.setattr("zaponnx.models.PROTOBUF_LIMIT", path.stat().st_size - 4096)
    save_model(load_model(path, "test"), written)
    assert external_files(written) == [tmp_path / "written.onnx.data"]
    assert read(written) == large_model()


def test_data_that_come_and_go_are_no_bug(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_model(conv_model(), path, external_data=True)
    save_model(helper.make_model(helper.make_graph([], "empty", [], [])), path, external_data=True)
    assert list(tmp_path.iterdir()) == [path], "there is nothing to write beside it"
