"""The counts of skipped outputs, against outputs that are zero if and only if they were skipped."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from zaponnx.counting import add_counters
from zaponnx.errors import ModelError
from zaponnx.self_check import tiny_model


def positive_model(threshold: float) -> onnx.ModelProto:
    """The tiny model with a bias so large that all outputs that are computed are positive."""
    model = tiny_model()
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "B")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(4, 100, np.float32), "B"))
    next(attribute for attribute in model.graph.node[0].attribute if attribute.name == "threshold").floats[:] = [
        threshold
    ]
    return model


def run(model: onnx.ModelProto, size: tuple[int, int]) -> list[np.ndarray]:
    x = np.random.default_rng(0).standard_normal((2, 4, *size)).astype(np.float32)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"X": x})


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1)])
@pytest.mark.parametrize("threshold", [-np.inf, -150.0, 0.0, 20.0, np.inf])
def test_counts_are_those_of_the_zeros(threshold: float, size: tuple[int, int]) -> None:
    model, counters = add_counters(positive_model(threshold))
    y, skipped, outputs = run(model, size)
    assert skipped == (y == 0).sum()
    assert outputs == y.size
    assert [(counter.name, counter.macs_per_output) for counter in counters] == [("tiny", 4 * 9)]


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_counts_in_nhwc_are_the_same(size: tuple[int, int], to_nhwc: Callable[..., None]) -> None:
    model = positive_model(20.0)
    expected, expected_counters = add_counters(model)
    to_nhwc(model)
    actual, counters = add_counters(model)
    assert counters == expected_counters
    assert [int(value) for value in run(actual, size)[1:]] == [int(value) for value in run(expected, size)[1:]]
    onnx.checker.check_model(actual, full_check=True)


def test_thresholds_give_different_counts() -> None:
    """Else the test above would not tell a threshold from another."""
    counts = {int(run(add_counters(positive_model(t))[0], (8, 8))[1]) for t in (-np.inf, -150.0, 20.0, np.inf)}
    assert len(counts) >= 3


def test_the_copy_is_valid_and_the_original_untouched() -> None:
    model = positive_model(0.0)
    before = model.SerializeToString()
    copy, _ = add_counters(model)
    assert model.SerializeToString() == before
    onnx.checker.check_model(copy, full_check=True)


def test_dense_models_have_no_counters(dense_model: Path) -> None:
    model = onnx.load_model(dense_model)
    copy, counters = add_counters(model)
    assert counters == []
    assert copy == model


def test_weights_that_are_no_constants_are_refused() -> None:
    model = positive_model(0.0)
    del model.graph.initializer[0]
    with pytest.raises(ModelError, match="node 'tiny': its weights are no initializer"):
        add_counters(model)
