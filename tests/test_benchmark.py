import json
from pathlib import Path

import onnx
import onnxruntime
import pytest

import zaponnx
from zaponnx.errors import InvalidArgument, ModelError

SHAPES = {"X": (1, 4, 8, 8)}


def renamed_input(model: Path, directory: Path) -> Path:
    proto = onnx.load_model(model)
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "other"
    path = directory / "renamed.onnx"
    onnx.save_model(proto, path)
    return path


def test_runs_are_medians_and_their_ratio(zap_model: Path, dense_model: Path) -> None:
    result = zaponnx.bench(zap_model, dense_model, threads=(1, 2), iterations=3, warmup=1, input_shapes=SHAPES)
    assert [run.threads for run in result.runs] == [1, 2]
    for run in result.runs:
        assert min(run.baseline_ms, run.model_ms) > 0
        assert run.speedup == run.baseline_ms / run.model_ms
        assert 0 < run.speedup_low <= run.speedup_high
    assert result.cpu
    assert result.versions["onnxruntime"]
    assert result.input_shapes == SHAPES


def test_progress_is_told_between_the_timed_runs(zap_model: Path, dense_model: Path) -> None:
    told = []
    zaponnx.bench(
        zap_model,
        dense_model,
        threads=(1, 2),
        iterations=3,
        warmup=2,
        input_shapes=SHAPES,
        progress=lambda step, done, total: told.append((step, done, total)),
    )
    assert told == [(f"timing with {threads}", done, 3) for threads in ("1 thread", "2 threads") for done in range(4)]


def test_json_has_the_runs(zap_model: Path, dense_model: Path) -> None:
    result = zaponnx.bench(zap_model, dense_model, threads=(1,), iterations=1, warmup=0, input_shapes=SHAPES)
    printed = json.loads(json.dumps(result.to_json()))
    assert set(printed["runs"][0]) == {
        *("threads", "baseline_ms", "model_ms"),
        *("speedup", "speedup_low", "speedup_high"),
    }
    assert printed["baseline"] == str(dense_model)


def test_both_are_run_equally_often_and_in_turn(
    zap_model: Path, dense_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    run = onnxruntime.InferenceSession.run

    def recorded(session: onnxruntime.InferenceSession, *arguments: object) -> object:
        order.append(session._model_path == str(zap_model))
        return run(session, *arguments)

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", recorded)
    zaponnx.bench(zap_model, dense_model, threads=(1,), iterations=4, warmup=2, input_shapes=SHAPES)
    timed = order[2:]  # the first of each compares the outputs' shapes
    pairs = list(zip(timed[::2], timed[1::2], strict=True))
    assert len(pairs) == 6
    assert all(first != second for first, second in pairs)
    assert pairs[0] != pairs[1]


def test_threads_reach_the_sessions(zap_model: Path, dense_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    create = onnxruntime.InferenceSession

    def recorded(model: str, options: onnxruntime.SessionOptions, **keywords: object) -> onnxruntime.InferenceSession:
        seen.append(options.intra_op_num_threads)
        return create(model, options, **keywords)

    monkeypatch.setattr(onnxruntime, "InferenceSession", recorded)
    zaponnx.bench(zap_model, dense_model, threads=(2, 1), iterations=1, warmup=0, input_shapes=SHAPES)
    assert seen == [2, 2, 1, 1]


def test_dynamic_dims_need_a_shape_but_the_batch_is_one(zap_model: Path, dense_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"input 'X': has dynamic dims .*--input-shapes"):
        zaponnx.bench(zap_model, dense_model)
    fixed = []
    for model in (zap_model, dense_model):
        proto = onnx.load_model(model)
        for axis in (2, 3):
            proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 8
        fixed.append(tmp_path / model.name)
        onnx.save_model(proto, fixed[-1])
    result = zaponnx.bench(*fixed, threads=(1,), iterations=1, warmup=0)
    assert result.input_shapes == {"X": (1, 4, 8, 8)}


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"threads": ()}, "threads"),
        ({"threads": (0,)}, "threads is 0"),
        ({"iterations": 0}, "iterations is 0"),
        ({"warmup": -1}, "warmup is -1"),
        ({"input_shapes": {"Z": (1, 4, 8, 8)}}, "no input 'Z'; the inputs are X"),
        ({"input_shapes": {"X": (1, 4, 0, 8)}}, "dim below 1"),
        ({"providers": ["abacus"]}, "unknown provider 'abacus'"),
    ],
)
def test_bad_arguments(zap_model: Path, dense_model: Path, keywords: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        zaponnx.bench(zap_model, dense_model, **{"input_shapes": SHAPES, **keywords})


def test_models_with_other_inputs_are_refused(zap_model: Path, dense_model: Path, tmp_path: Path) -> None:
    other = renamed_input(dense_model, tmp_path)
    with pytest.raises(ModelError, match="has the inputs other, not X"):
        zaponnx.bench(other, dense_model, threads=(1,), iterations=1, input_shapes=SHAPES)


def test_models_with_other_output_shapes_are_refused(zap_model: Path, dense_model: Path, tmp_path: Path) -> None:
    proto = onnx.load_model(dense_model)
    proto.graph.node[0].attribute[0].ints[:] = [0, 0, 0, 0]
    del proto.graph.output[0].type.tensor_type.shape.dim[2:]
    for name in ("H2", "W2"):
        proto.graph.output[0].type.tensor_type.shape.dim.add().dim_param = name
    other = tmp_path / "unpadded.onnx"
    onnx.save_model(proto, other)
    with pytest.raises(ModelError, match=r"\(1, 4, 6, 6\)"):
        zaponnx.bench(other, dense_model, threads=(1,), iterations=1, input_shapes=SHAPES)


@pytest.mark.parametrize("shape", [(1, 4), (1, 5, 8, 8), (1, 4, 8, 8, 1)])
def test_shapes_of_another_form_than_the_models_are_refused(
    zap_model: Path, dense_model: Path, shape: tuple[int, ...]
) -> None:
    with pytest.raises(InvalidArgument, match=r"input 'X': shape .* not of the model's form .*; give .*--input-shapes"):
        zaponnx.bench(zap_model, dense_model, threads=(1,), iterations=1, input_shapes={"X": shape})


def test_shapes_that_the_model_cannot_compute_with_are_told(tmp_path: Path) -> None:
    """Only running it shows that the halves of an odd height do not add up."""
    path = tmp_path / "halves.onnx"
    text = """<ir_version: 8, opset_import: ["": 17]> halves (float[1, H] X) => (float[1, K] Y) <int64[1] axis = {1}> {
        first, second = Split <axis = 1> (X)
        Y = Add (first, second)
    }"""
    onnx.save_model(onnx.parser.parse_model(text), path)
    zaponnx.bench(path, path, threads=(1,), iterations=1, warmup=0, input_shapes={"X": (1, 6)})
    with pytest.raises(ModelError, match=r"does not run with inputs 'X' of shape \(1, 7\): .*; give .*--input-shapes"):
        zaponnx.bench(path, path, threads=(1,), iterations=1, warmup=0, input_shapes={"X": (1, 7)})


def test_far_more_threads_than_cores_are_refused(zap_model: Path, dense_model: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"1000 threads are too many for the \d+ cores .*; give at most \d+"):
        zaponnx.bench(zap_model, dense_model, threads=(1, 1000), input_shapes=SHAPES)
