import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import zaponnx
from zaponnx import measurement_tables
from zaponnx.errors import DataError, InvalidArgument, ModelError, RuntimeUnavailable
from zaponnx.self_check import tiny_model

EIGHT_CLASSES = 8


@pytest.fixture
def scores_model(tmp_path: Path) -> Path:
    """A model whose input is the scores that it gives."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", EIGHT_CLASSES]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "scores", values[:1], values[1:])
    path = tmp_path / "scores.onnx"
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def npz(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path / "data.npz", **arrays)
    return f"npz:{path / 'data.npz'}"


def test_top1_and_top5_count_ranks(scores_model: Path, tmp_path: Path) -> None:
    """The label's score is the r-th highest, for r = 1 … 8: one of eight is first, five of eight among five."""
    x = np.tile(np.arange(EIGHT_CLASSES, 0, -1, dtype=np.float32), (EIGHT_CLASSES, 1))
    result = zaponnx.eval([scores_model], npz(tmp_path, x=x, labels=np.arange(EIGHT_CLASSES)), batch_size=3)
    assert (result.models[0].top1, result.models[0].top5) == (1 / 8, 5 / 8)
    assert result.samples == EIGHT_CLASSES
    assert result.models[0].mac_saved == 0


def test_of_fewer_than_five_classes_all_are_among_five(scores_model: Path, tmp_path: Path) -> None:
    model = onnx.load_model(scores_model)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[1].dim_value = 3
    onnx.save_model(model, scores_model)
    data = npz(tmp_path, x=np.eye(3, dtype=np.float32), labels=np.array([0, 1, 1]))
    result = zaponnx.eval([scores_model], data).models[0]
    assert (result.top1, result.top5) == (2 / 3, 1)


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_a_network_that_decides_nothing_is_not_right(scores_model: Path, tmp_path: Path, value: float) -> None:
    x = np.full((EIGHT_CLASSES, EIGHT_CLASSES), value, np.float32)
    result = zaponnx.eval([scores_model], npz(tmp_path, x=x, labels=np.arange(EIGHT_CLASSES)))
    assert (result.models[0].top1, result.models[0].top5) == (1 / 8, 5 / 8)


def test_scores_that_are_not_numbers_are_refused(scores_model: Path, tmp_path: Path) -> None:
    x = np.full((EIGHT_CLASSES, EIGHT_CLASSES), np.nan, np.float32)
    with pytest.raises(DataError, match="its scores are not numbers; check the data and the model"):
        zaponnx.eval([scores_model], npz(tmp_path, x=x, labels=np.arange(EIGHT_CLASSES)))


def test_without_labels_there_is_no_accuracy(zap_model: Path, tmp_path: Path) -> None:
    x = np.ones((3, 4, 8, 8), np.float32)
    result = json.loads(json.dumps(zaponnx.eval([zap_model], npz(tmp_path, X=x)).to_json()))
    assert result["models"][0]["path"] == str(zap_model)
    assert result["models"][0]["top1"] is None
    assert result["models"][0]["top5"] is None
    assert 0 <= result["models"][0]["mac_saved"] <= 0.5


def two_layers(thresholds: tuple[float, float]) -> onnx.ModelProto:
    """Two ZapConvs in a row; the second has kernels of 1 × 1, and so a ninth of the first one's MACs."""
    model = tiny_model()
    first = model.graph.node[0]
    second = onnx.NodeProto()
    second.CopyFrom(first)
    first.output[0] = second.input[0] = "between"
    second.name, second.input[1] = "second", "W1"
    for attribute in second.attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [0, 0, 0, 0]
    weights = np.ones((4, 4, 1, 1), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "W1"))
    model.graph.node.append(second)
    for node, threshold in zip(model.graph.node, thresholds, strict=True):
        for attribute in node.attribute:
            if attribute.name == "threshold":
                attribute.floats[:] = [threshold]
    return model


def test_savings_are_weighted_by_macs(tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    onnx.save_model(two_layers((np.inf, -np.inf)), path)
    result = zaponnx.eval([path], npz(tmp_path, X=np.ones((2, 4, 8, 8), np.float32))).models[0]
    assert [layer.mac_saved for layer in result.layers] == [0.5, 0]
    assert [layer.macs for layer in result.layers] == [36 * 4 * 64, 4 * 4 * 64]
    assert result.mac_saved == pytest.approx(0.5 * 36 / 40)
    # The predictor costs 9 per output, in both layers.
    assert result.layers[0].net_mac_saved == pytest.approx(0.5 - 9 / 36)
    assert result.net_mac_saved == pytest.approx((0.5 * 36 - 18) / 40)


def test_library_and_function_body_agree(zap_model: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((16, 4, 9, 9)).astype(np.float32)
    data = npz(tmp_path, X=x)
    native, portable = (zaponnx.eval([zap_model], data, portable=flag).models[0].mac_saved for flag in (False, True))
    assert native == pytest.approx(portable, abs=1e-3)  # a value within rounding of the threshold may fall either way
    assert 0 < native < 0.5


def test_portable_needs_no_library(zap_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = npz(tmp_path, X=np.ones((2, 4, 8, 8), np.float32))
    monkeypatch.setattr(zaponnx, "__path__", [str(tmp_path)])
    assert zaponnx.eval([zap_model], data, portable=True).portable
    with pytest.raises(RuntimeUnavailable, match="is not installed"):
        zaponnx.eval([zap_model], data)


def test_progress_counts_samples(zap_model: Path, tmp_path: Path) -> None:
    seen = []
    data = npz(tmp_path, X=np.ones((5, 4, 8, 8), np.float32))
    zaponnx.eval([zap_model], data, batch_size=2, progress=lambda step, done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_only_data_with_splits_have_one(zap_model: Path, tmp_path: Path) -> None:
    x = np.ones((3, 4, 8, 8), np.float32)
    assert zaponnx.eval([zap_model], npz(tmp_path, X=x)).split is None
    model = onnx.load_model(zap_model)
    for axis, size in enumerate((8, 8), start=2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    onnx.save_model(model, tmp_path / "fixed.onnx")
    random = zaponnx.eval([tmp_path / "fixed.onnx"], "random", samples=2)
    assert random.split == "test"
    assert measurement_tables.evaluate(random).endswith("2 samples of random (test), without labels")
    assert measurement_tables.evaluate(replace(random, split=None)).endswith("2 samples of random, without labels")


def test_models_must_get_the_same_samples(scores_model: Path, tmp_path: Path) -> None:
    (tmp_path / "shrinking.py").write_text(
        "from pathlib import Path\nimport numpy as np\n"
        "def f():\n"
        "    mark = Path(__file__).with_suffix('.mark')\n"
        "    count = 2 if mark.exists() else 3\n"
        "    mark.touch()\n"
        f"    yield {{'x': np.ones((count, {EIGHT_CLASSES}), np.float32)}}\n"
    )
    with pytest.raises(DataError, match=r"gave 3 samples for .*scores\.onnx and 2 for .*scores\.onnx; make every pass"):
        zaponnx.eval([scores_model, scores_model], f"py:{tmp_path / 'shrinking.py'}:f")


def test_no_models() -> None:
    with pytest.raises(InvalidArgument, match="no model"):
        zaponnx.eval([], "digits")


def test_unknown_data(zap_model: Path) -> None:
    with pytest.raises(InvalidArgument, match="unknown data 'tarot'"):
        zaponnx.eval([zap_model], "tarot")


def test_outputs_that_are_no_scores(zap_model: Path, tmp_path: Path) -> None:
    data = npz(tmp_path, X=np.ones((3, 4, 8, 8), np.float32), labels=np.zeros(3, np.int64))
    with pytest.raises(ModelError, match="not one score per class"):
        zaponnx.eval([zap_model], data)


@pytest.mark.parametrize("label", [-1, EIGHT_CLASSES])
def test_labels_out_of_range(scores_model: Path, tmp_path: Path, label: int) -> None:
    data = npz(tmp_path, x=np.ones((2, EIGHT_CLASSES), np.float32), labels=np.array([0, label]))
    with pytest.raises(DataError, match=f"label {label} is none of 8 classes"):
        zaponnx.eval([scores_model], data)


def test_a_model_that_onnxruntime_refuses_is_named(zap_model: Path, tmp_path: Path) -> None:
    """And not the temporary copy that counts."""
    model = tiny_model()
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "pattern":
            attribute.ints[:] = [1, 0, 1]
    path = tmp_path / "bad.onnx"
    onnx.save_model(model, path)
    with pytest.raises(ModelError, match=r"bad\.onnx: ONNX Runtime refuses it: .*pattern"):
        zaponnx.eval([path], npz(tmp_path, X=np.ones((1, 4, 8, 8), np.float32)))
