"""Weights on disk: references to bytes, their values, and how many bytes the values of each type take."""

from __future__ import annotations

import io
from pathlib import Path

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from zaponnx.weights import Extent, data_bytes, extent, hold, refer, values


@pytest.fixture
def tensor(tmp_path: Path) -> onnx.TensorProto:
    """A reference to the numbers 0 to 5 in the middle of a file."""
    path = tmp_path / "data"
    path.write_bytes(b"before" + np.arange(6, dtype=np.float32).tobytes() + b"behind")
    tensor = onnx.TensorProto(name="W", data_type=onnx.TensorProto.FLOAT, dims=(2, 3))
    refer(tensor, str(path), 6, 24)
    return tensor


def test_values_are_read_from_disk(tensor: onnx.TensorProto) -> None:
    before = tensor.SerializeToString()
    np.testing.assert_array_equal(values(tensor), [[0, 1, 2], [3, 4, 5]])
    assert tensor.SerializeToString() == before


def test_a_tensor_refers_to_its_bytes_or_holds_them(tensor: onnx.TensorProto) -> None:
    found = extent(tensor)
    assert found is not None
    hold(tensor)
    assert extent(tensor) is None
    assert tensor == numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "W")
    refer(tensor, str(found.path), found.offset, found.length)
    assert extent(tensor) == found
    assert not tensor.raw_data


def test_bytes_are_copied_in_blocks(tensor: onnx.TensorProto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zaponnx.weights._BLOCK", 7)
    found = extent(tensor)
    assert found is not None
    target = io.BytesIO()
    found.copy_to(target)
    assert target.getvalue() == found.read() == np.arange(6, dtype=np.float32).tobytes()


def test_external_data_without_a_length_are_as_long_as_the_values(tensor: onnx.TensorProto) -> None:
    del tensor.external_data[2:]
    assert extent(tensor) == Extent(Path(tensor.external_data[0].value), 6, 24)


@pytest.mark.parametrize(("index", "value"), [(1, "-1"), (2, "x")])
def test_references_without_a_sense_are_refused(tensor: onnx.TensorProto, index: int, value: str) -> None:
    tensor.external_data[index].value = value
    with pytest.raises(ValueError, match="no valid offset and length"):
        extent(tensor)


def test_references_to_two_places_are_refused(tensor: onnx.TensorProto) -> None:
    tensor.external_data.add(key="location", value="elsewhere")
    with pytest.raises(ValueError, match="a key of its external data occurs twice"):
        extent(tensor)


@pytest.mark.parametrize(
    "dtype",
    [
        *("float32", "float16", "float64", "int64", "uint8", "bool", "complex64"),
        *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.float4_e2m1fn),
    ],
)
def test_bytes_of_each_type(dtype: npt.DTypeLike) -> None:
    """Of an odd number of values, as two of the smallest types share a byte."""
    tensor = numpy_helper.from_array(np.zeros((3, 5), dtype), "W")
    assert data_bytes(tensor) == len(tensor.raw_data)


@pytest.mark.parametrize("data_type", [onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING, 99])
def test_types_without_raw_data_are_refused(data_type: int) -> None:
    with pytest.raises(ValueError, match=r"its type \w+ (has no raw data|is unknown)"):
        data_bytes(onnx.TensorProto(data_type=data_type, dims=(2,)))
