"""Capture of the sites' outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from zaponnx.calib import capture as capturing
from zaponnx.calib.capture import Capture, Outputs
from zaponnx.calib.data import Batch
from zaponnx.errors import DataError, ModelError
from zaponnx.graph.finding import find_sites
from zaponnx.runtime import open_session


def batch(value: float | None = None) -> Batch:
    """Two samples of noise, or of one value."""
    image = np.random.default_rng(0).standard_normal((2, 3, 6, 9)).astype(np.float32)
    return Batch({"input": image if value is None else np.full_like(image, value)}, None)


def captured(capture: Capture, samples: Batch) -> list[Outputs]:
    """The outputs for all samples of a batch, run by run."""
    return list(capture.run(samples, np.arange(samples.size)))


def test_the_outputs_are_the_unmodified_models(model: onnx.ModelProto) -> None:
    sites, _ = find_sites(model)
    (outputs,) = captured(Capture(model, sites), batch())
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
        captured(capture, batch(value))


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1] * 7), (3 * 10 * 6 * 9 * 4, [3, 3, 1]), (2**30, [7])])
def test_a_run_captures_as_many_samples_as_fit(
    model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch, limit: int, sizes: list[int]
) -> None:
    """A sample has 10 channels of 6 x 9 float32 values."""
    monkeypatch.setattr(capturing, "_RUN_BYTES", limit)
    images = np.random.default_rng(0).standard_normal((9, 3, 6, 9)).astype(np.float32)
    wanted = np.array([8, 2, 3, 4, 0, 6, 7])
    sites = find_sites(model)[0]
    runs = list(Capture(model, sites).run(Batch({"input": images}, None), wanted))
    assert [len(outputs[0]) for outputs in runs] == sizes
    monkeypatch.setattr(capturing, "_RUN_BYTES", 2**30)
    (whole,) = captured(Capture(model, sites), Batch({"input": images}, None))
    for parts, expected in zip(zip(*runs, strict=True), whole, strict=True):
        np.testing.assert_allclose(np.concatenate(parts), expected[wanted], atol=1e-6)


def test_a_fixed_batch_is_run_whole(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "_RUN_BYTES", 1)
    sites = find_sites(model)[0]
    images = Batch({"input": np.random.default_rng(0).standard_normal((4, 3, 6, 9)).astype(np.float32)}, None)
    expected = np.concatenate([outputs[0] for outputs in captured(Capture(model, sites), images)])
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    capture = Capture(model, sites)
    (outputs,) = capture.run(images, np.array([3, 1]))
    np.testing.assert_allclose(outputs[0], expected[[3, 1]], atol=1e-6)
    assert not list(capture.run(images, np.array([], np.intp)))


def test_what_onnx_runtime_refuses_is_a_model_error(model: onnx.ModelProto) -> None:
    capture = Capture(model, find_sites(model)[0], where="model.onnx")
    with pytest.raises(ModelError, match=r"model\.onnx: ONNX Runtime refuses it: .* index: 1 Got: 2 Expected: 3"):
        captured(capture, Batch({"input": np.zeros((1, 2, 4, 4), np.float32)}, None))
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
