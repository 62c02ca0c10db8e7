"""test_data_set_N: the directories of the ONNX model zoo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.calib.data import open_data
from zaponnx.errors import DataError

FedBy = Callable[..., onnx.ModelProto]


def write(directory: Path, *tensors: np.ndarray, names: tuple[str, ...] = ()) -> None:
    directory.mkdir()
    for index, array in enumerate(tensors):
        tensor = numpy_helper.from_array(array, names[index] if names else "")
        (directory / f"input_{index}.pb").write_bytes(tensor.SerializeToString())


def values(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)[:, None]


def test_the_sets_are_read_by_number(fed_by: FedBy, tmp_path: Path) -> None:
    for number in (10, 9, 0):
        write(tmp_path / f"test_data_set_{number}", values(number, number + 0.5))
    (tmp_path / "test_data_set_0" / "output_0.pb").write_bytes(b"is not read")
    (tmp_path / "model.onnx").touch()
    source = open_data(f"test-data:{tmp_path}", fed_by(input=["N", 1]), split="test", batch_size=4)
    batches = list(source)
    assert [batch.inputs["input"].ravel().tolist() for batch in batches] == [[0, 0.5, 9, 9.5], [10, 10.5]]
    assert batches[0].labels is None
    assert source.length == 6
    [single] = open_data(f"test-data:{tmp_path / 'test_data_set_9'}", fed_by(input=["N", 1]), split="test")
    assert single.inputs["input"].ravel().tolist() == [9, 9.5]


@pytest.mark.parametrize(("names", "left"), [((), 1), (("x", "y"), 1), (("right", "left"), 2)])
def test_inputs_go_by_name_or_else_by_number(
    fed_by: FedBy, tmp_path: Path, names: tuple[str, ...], left: float
) -> None:
    write(tmp_path / "test_data_set_0", values(1), values(2), names=names)
    [batch] = open_data(f"test-data:{tmp_path}", fed_by(left=["N", 1], right=["N", 1]), split="test")
    assert batch.inputs["left"].item() == left
    assert batch.inputs["right"].item() == 3 - left


def test_directories_without_usable_sets(fed_by: FedBy, tmp_path: Path) -> None:
    def refused(match: str) -> None:
        with pytest.raises(DataError, match=match):
            list(open_data(f"test-data:{tmp_path}", fed_by(left=["N", 1], right=["N", 1]), split="test"))

    refused("holds no test_data_set_N and no input_0.pb")
    directory = tmp_path / "test_data_set_0"
    write(directory, values(1))
    refused(r"input_1\.pb: is missing, and the model has an input for it")
    (directory / "input_1.pb").write_bytes(b"\xff" * 9)
    refused(r"input_1\.pb: is no tensor that can be read")
    short = onnx.TensorProto(data_type=onnx.TensorProto.FLOAT, dims=[3, 1], raw_data=b"1234")
    (directory / "input_1.pb").write_bytes(short.SerializeToString())
    refused("is no tensor that can be read")
    outside = onnx.TensorProto(data_type=onnx.TensorProto.FLOAT, dims=[1, 1], data_location=onnx.TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../../secret")
    (directory / "input_1.pb").write_bytes(outside.SerializeToString())
    refused("keeps its values in another file, which is not read")
