"""Capture of the sites' outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from zaponnx.calib import capture as capturing
from zaponnx.calib.capture import Capture
from zaponnx.calib.data import Batch
from zaponnx.errors import DataError, ModelError
from zaponnx.graph.finding import find_sites
from zaponnx.runtime import open_session


def batch(value: float | None = None) -> Batch:
    """Two samples of noise, or of one value."""
    image = np.random.default_rng(0).standard_normal((2, 3, 6, 9)).astype(np.float32)
    return Batch({"input": image if value is None else np.full_like(image, value)}, None)


def test_the_outputs_are_the_unmodified_models(model: onnx.ModelProto) -> None:
    sites, _ = find_sites(model)
    outputs = Capture(model, sites).run(batch())
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in ("active", "end_active"))
    expected = ReferenceEvaluator(model).run(None, dict(batch().inputs))
    assert [output.shape for output in outputs] == [(2, 6, 6, 9), (2, 4, 6, 9)]
    for ours, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)  # sums of up to 72 float32 products around 1


def test_the_callers_model_stays_as_it_is(model: onnx.ModelProto) -> None:
    before = model.SerializeToString()
    Capture(model, find_sites(model)[0])
    assert model.SerializeToString() == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_overflow_name_the_site(model: onnx.ModelProto, value: float) -> None:
    capture = Capture(model, find_sites(model)[0])
    with pytest.raises(DataError, match="middle: the output has NaN or infinite values"):
        capture.run(batch(value))


@pytest.mark.parametrize(("limit", "samples"), [(1, 1), (3 * 10 * 6 * 9 * 4, 3), (4 * 10 * 6 * 9 * 4 - 1, 3)])
@pytest.mark.parametrize("fixed_batch", [None, 4])
def test_as_many_samples_are_run_together_as_fit(
    model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch, limit: int, samples: int, fixed_batch: int | None
) -> None:
    """A sample has 10 channels of 6 x 9 float32 values."""
    monkeypatch.setattr(capturing, "_RUN_BYTES", limit)
    if fixed_batch:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = fixed_batch
    assert Capture(model, find_sites(model)[0]).samples_per_run(batch()) == samples


@pytest.mark.parametrize("samples", [1, 4, 7])
def test_a_fixed_batch_is_filled(model: onnx.ModelProto, samples: int) -> None:
    sites = find_sites(model)[0]
    images = np.random.default_rng(0).standard_normal((samples, 3, 6, 9)).astype(np.float32)
    expected = Capture(model, sites).run(Batch({"input": images}, None))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    outputs = Capture(model, sites).run(Batch({"input": images}, None))
    for ours, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_what_onnx_runtime_refuses_is_a_model_error(model: onnx.ModelProto) -> None:
    capture = Capture(model, find_sites(model)[0], where="model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx: ONNX Runtime refuses it: .* index: 1 Got: 2 Expected: 3"):
        capture.run(Batch({"input": np.zeros((1, 2, 4, 4), np.float32)}, None))
    model.graph.node[0].op_type = "Convolution"
    with pytest.raises(ModelError, match="ONNX Runtime refuses it"):
        Capture(model, find_sites(model)[0])


def test_the_model_is_read_from_a_file(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory it could not be larger than 2 GB."""
    read: list[bool] = []

    def spy(path: Path, *arguments: Any, **keywords: Any) -> Any:
        read.append(path.is_file())
        return open_session(path, *arguments, **keywords)

    monkeypatch.setattr(capturing, "open_session", spy)
    Capture(model, find_sites(model)[0])
    assert read == [True]
