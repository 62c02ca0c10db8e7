"""Capture of the sites' outputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from zaponnx.calib.capture import Capture
from zaponnx.calib.data import Batch
from zaponnx.errors import DataError, ModelError
from zaponnx.graph.finding import find_sites


def batch(value: float | None = None) -> Batch:
    """Two samples of noise, or of one value."""
    image = np.random.default_rng(0).standard_normal((2, 3, 6, 9)).astype(np.float32)
    return Batch({"input": image if value is None else np.full_like(image, value)}, None)


def test_the_outputs_are_the_unmodified_models(model: onnx.ModelProto) -> None:
    sites, _ = find_sites(model)
    captured = Capture(model, sites).run(batch())
    del model.graph.output[:]
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in ("active", "end_active"))
    expected = ReferenceEvaluator(model).run(None, dict(batch().inputs))
    assert [output.shape for output in captured] == [(2, 6, 6, 9), (2, 4, 6, 9)]
    for ours, theirs in zip(captured, expected, strict=True):
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


def test_what_onnx_runtime_refuses_is_a_model_error(model: onnx.ModelProto) -> None:
    capture = Capture(model, find_sites(model)[0])
    with pytest.raises(ModelError, match="ONNX Runtime cannot run the model"):
        capture.run(Batch({"input": np.zeros((1, 2, 4, 4), np.float32)}, None))
    model.graph.node[0].op_type = "Convolution"
    with pytest.raises(ModelError, match="ONNX Runtime cannot load the model"):
        Capture(model, find_sites(model)[0])
