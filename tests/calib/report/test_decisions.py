"""Hits and misses against the function body, run by plain ONNX Runtime with and without its thresholds."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
import pytest

from zaponnx.calib.report.decisions import decisions
from zaponnx.graph.converted import dense_output, set_thresholds, zap_convs


def outputs(model: onnx.ModelProto, images: np.ndarray) -> list[np.ndarray]:
    """What the ZapConvs write, without the library."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    names = [node.output[0] for node in zap_convs(copy)]
    known = {value.name for value in copy.graph.output}
    copy.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(names, {"input": images})


def test_counts_and_maps_are_those_of_the_outputs(small, results) -> None:
    """An output that was skipped is zero; one that was skipped and is positive in the dense model is wrong."""
    model = onnx.load_model(small.converted)
    dense = onnx.ModelProto()
    dense.CopyFrom(model)
    for node in zap_convs(dense):
        set_thresholds(node, -math.inf)
    images = np.load(results.data.removeprefix("npz:"))["input"][:3]
    found = decisions(model, "m", results.data, 3, None)
    assert [sample.number for sample in found] == [0, 1, 2]
    for node, now, before in zip(zap_convs(model), outputs(model, images), outputs(dense, images), strict=True):
        for number, sample in enumerate(found):
            layer = next(each for each in sample.layers if each.hits.layer in (node.name, dense_output(node)))
            hits = layer.hits
            assert hits.pattern + hits.computed + hits.skipped + hits.wrong == now[number].size
            assert hits.pattern == now[number].size // 3
            wrong = (now[number] == 0) & (before[number] > 0)
            assert hits.wrong == wrong.sum()
            assert hits.lost == pytest.approx(before[number][wrong].sum() / before[number].sum(), rel=1e-5)
            assert layer.wrong == pytest.approx(wrong.mean(axis=0))
            assert layer.skipped.mean() == pytest.approx((hits.skipped + hits.wrong) / now[number].size)
            assert (layer.skipped >= layer.wrong).all()


def test_images_are_what_the_model_was_fed_with(small, results) -> None:
    images = np.load(results.data.removeprefix("npz:"))["input"]
    [sample] = decisions(onnx.load_model(small.converted), "m", results.data, 1, None)
    np.testing.assert_array_equal(sample.image, images[0])


def test_more_samples_than_there_are(small, results) -> None:
    assert len(decisions(onnx.load_model(small.converted), "m", results.data, 100, None)) == 8
