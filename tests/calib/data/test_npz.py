"""npz files: streaming, and hostile or unsuitable ones."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from zaponnx.calib.data import open_data
from zaponnx.errors import DataError

FedBy = Callable[..., onnx.ModelProto]


def test_memory_does_not_grow_with_the_file(fed_by: FedBy, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", input=np.zeros((4096, 3, 32, 32), np.float32))  # 48 MiB
    source = open_data(f"npz:{tmp_path / 'data.npz'}", fed_by(input=["N", 3, 32, 32]), split="test", batch_size=64)
    tracemalloc.start()
    try:
        assert sum(batch.size for batch in source) == 4096
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20  # a batch is 0.75 MiB


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3), np.float32)}, r"has no array 'input' \(it has: x\)"),
        ({"input": np.zeros((2, 4), np.float32)}, r"shape \[2, 4\] does not fit the model's \(N, 3\)"),
        ({"input": np.zeros((2, 3, 1), np.float32)}, r"does not fit the model's \(N, 3\)"),
        ({"input": np.zeros((2, 3))}, "dtype float64 is not the model's float32; convert it"),
        ({"input": np.zeros((2, 3), np.float32), "labels": np.zeros(3, int)}, "numbers of samples: input 2, labels 3"),
        ({"input": np.zeros((2, 3), np.float32), "labels": np.zeros(2)}, "labels are float64"),
        ({"input": np.zeros((2, 3), np.float32), "labels": np.zeros((2, 1), int)}, "not one integer per sample"),
        ({"input": np.float32(1)}, "is a single number"),
        ({"input": np.zeros((2, 3), np.float32, order="F")}, "is in Fortran order"),
        ({"input": np.array([{}, {}])}, "holds pickled objects, which are not read"),
        ({"input": np.zeros((0, 3), np.float32)}, "there are no samples"),
    ],
)
def test_arrays_that_do_not_suit_the_model(
    fed_by: FedBy, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=message):
        list(open_data(f"npz:{tmp_path / 'data.npz'}", fed_by(input=["N", 3]), split="test"))


def test_text_for_an_input_of_strings(fed_by: FedBy, tmp_path: Path) -> None:
    """No npz file can hold the objects that ONNX's helper calls strings."""
    np.savez(tmp_path / "data.npz", input=np.array([["left"], ["right"]]))
    model = fed_by(onnx.TensorProto.STRING, input=["N", 1])
    (batch,) = open_data(f"npz:{tmp_path / 'data.npz'}", model, split="test", batch_size=2)
    assert batch.inputs["input"].tolist() == [["left"], ["right"]]


def test_damaged_files(fed_by: FedBy, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, input=np.random.default_rng(0).random((400, 3), dtype=np.float32))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[1000] ^= 255
    header = whole.replace(b"}", b" ", 1)  # numpy tokenizes it as Python ...
    dtype = whole.replace(b"'<f4'", b"'(,f'", 1)  # ... and evaluates the numbers in a dtype
    for content in (b"", b"foreign", whole[: len(whole) // 2], bytes(damaged), header, dtype):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"data\.npz: (is no readable npz file|cannot be read to its end)"):
            list(open_data(f"npz:{path}", fed_by(input=["N", 3]), split="test"))


def test_a_directory_is_read_by_name(fed_by: FedBy, tmp_path: Path) -> None:
    for name, start, stop in (("b", 3, 8), ("a", 0, 3)):
        numbers = np.arange(start, stop)
        np.savez(tmp_path / f"{name}.npz", input=numbers[:, None].astype(np.float32), labels=numbers)
    (tmp_path / "notes.txt").touch()
    source = open_data(f"npz:{tmp_path}", fed_by(input=["N", 1]), split="test", batch_size=5)
    assert [batch.labels.tolist() for batch in source] == [[0, 1, 2, 3, 4], [5, 6, 7]]
    assert source.length == 8
    np.savez(tmp_path / "c.npz", input=np.zeros((2, 1), np.float32))
    with pytest.raises(DataError, match=r"c\.npz: has no labels, and a\.npz has some; give all files labels, or none"):
        open_data(f"npz:{tmp_path}", fed_by(input=["N", 1]), split="test")


def test_a_directory_without_npz(fed_by: FedBy, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no files \*\.npz"):
        open_data(f"npz:{tmp_path}", fed_by(input=["N", 1]), split="test")
