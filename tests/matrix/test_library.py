"""What every version of ONNX Runtime must do with zaponnx's library; `make test-matrix` runs this on several."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

import zaponnx
from zaponnx.errors import RuntimeUnavailable

Array = npt.NDArray[Any]
Network = Callable[..., onnx.ModelProto]
Run = Callable[[onnx.ModelProto, Array], Array]

EMULATION = Path(__file__).parents[2] / "build/native/custom_ops/cuda/emulation/libzaponnx_cuda.so"
LAYOUTS = ("nchw", "nhwc")
THRESHOLDS = {"everything": (-math.inf,), "one": (0.0,), "per channel": (-math.inf, math.inf, *6 * (0.1,))}
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""Sums of 72 float32 products, of values of the order of 1, in another order; after two layers."""


def session_options(threads: int = 2) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def run(model: onnx.ModelProto, x: Array, options: onnxruntime.SessionOptions | None = None) -> Array:
    session = zaponnx.InferenceSession(model.SerializeToString(), options or session_options())
    return np.asarray(session.run(None, {"X": x})[0])


def test_the_installation_checks_itself() -> None:
    result = zaponnx.selfcheck()
    assert result.problem == ""
    package = "onnxruntime" if "onnxruntime" in result.versions else "onnxruntime-gpu"
    assert result.versions[package] == onnxruntime.__version__


def test_operators_are_registered_for_cuda_where_the_provider_is(network: Network, x: Array, tmp_path: Path) -> None:
    """With the emulation as a CUDA half that needs no GPU; the session is on the CPU."""
    library = Path(shutil.copy(zaponnx.library_path(), tmp_path))
    shutil.copy(EMULATION, tmp_path)
    options = session_options()
    options.register_custom_ops_library(str(library))
    provider = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    assert options.get_session_config_entry("zaponnx.cuda") == ("yes" if provider else "no")
    model = network("nchw", (0.0,)).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"X": x})[0], run(network("nchw", (0.0,)), x))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", THRESHOLDS)
def test_kernels_agree_with_the_function_bodies(
    network: Network, x: Array, run_plain: Run, layout: str, name: str
) -> None:
    model = network(layout, THRESHOLDS[name])
    np.testing.assert_allclose(run(model, x), run_plain(model, x), **TOLERANCE)


def test_no_prediction_is_near_the_threshold(network: Network, x: Array, run_plain: Run) -> None:
    """So that rounding cannot flip a decision in the comparisons of this suite; and some outputs are skipped."""
    everything = run_plain(network("nchw", (-math.inf,)), x)
    for threshold in (0.0, 0.1):
        below, above = (run_plain(network("nchw", (threshold + shift,)), x) for shift in (-1e-5, 1e-5))
        np.testing.assert_array_equal(below, above)
        assert (below == 0).sum() > (everything == 0).sum() + below.size / 20


@pytest.mark.parametrize("layout", LAYOUTS)
def test_threshold_of_minus_infinity_is_the_dense_network(
    network: Network, x: Array, run_plain: Run, layout: str
) -> None:
    np.testing.assert_allclose(run(network(layout, (-math.inf,)), x), run_plain(network("dense"), x), **TOLERANCE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_pattern_of_all_outputs_is_the_dense_network(
    network: Network, x: Array, run_plain: Run, layout: str
) -> None:
    """The library computes it by Winograd's F(4x4, 3x3), whose error is about 2e-6 of the largest output per layer."""
    expected = run_plain(network("dense"), x)
    actual = run(network(layout, (math.inf,), pattern="1"), x)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_threshold_of_infinity_is_the_pattern_alone(network: Network, x: Array, run_plain: Run, layout: str) -> None:
    model = network(layout, (math.inf,))
    actual = run(model, x)
    rows, columns = np.indices(actual.shape[2:])
    outside = (rows + columns) % 2 == 1
    assert not actual[..., outside].any()
    assert actual[..., ~outside].any()
    np.testing.assert_allclose(actual, run_plain(model, x), **TOLERANCE)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_and_size_may_change_between_runs(network: Network, run_plain: Run, layout: str) -> None:
    model = network(layout)
    session = zaponnx.InferenceSession(model.SerializeToString())
    for seed, shape in enumerate([(1, 4, 8, 8), (3, 4, 5, 21), (2, 4, 1, 1), (1, 4, 8, 8)]):
        x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
        actual = session.run(None, {"X": x})[0]
        assert actual.shape == (shape[0], 8, *shape[2:])
        np.testing.assert_allclose(actual, run_plain(model, x), **TOLERANCE)


def test_output_shapes_are_inferred(network: Network) -> None:
    model = network("nchw", shape=("N", 4, 13, 18))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    (output,) = zaponnx.InferenceSession(model.SerializeToString()).get_outputs()
    assert output.shape == ["N", 8, 13, 18]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_executors_and_threads_change_no_bit(network: Network, x: Array, layout: str) -> None:
    model = network(layout)
    outputs = {}
    for mode in (onnxruntime.ExecutionMode.ORT_SEQUENTIAL, onnxruntime.ExecutionMode.ORT_PARALLEL):
        for threads in (1, 2, 3):
            options = session_options(threads)
            options.execution_mode, options.inter_op_num_threads = mode, 2
            outputs[mode, threads] = run(model, x, options)
    expected = next(iter(outputs.values()))
    for output in outputs.values():
        np.testing.assert_array_equal(output, expected)


@pytest.mark.parametrize("level", ["DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_optimisation_changes_no_result(network: Network, x: Array, run_plain: Run, layout: str, level: str) -> None:
    options = session_options()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{level}")
    model = network(layout)
    np.testing.assert_allclose(run(model, x, options), run_plain(model, x), **TOLERANCE)


def test_sessions_run_in_many_threads(network: Network, x: Array) -> None:
    models = [network(layout).SerializeToString() for layout in LAYOUTS]
    sessions = [zaponnx.InferenceSession(model, session_options(threads)) for model in models for threads in (1, 2)]
    expected = [session.run(None, {"X": x})[0] for session in sessions]
    with ThreadPoolExecutor(8) as pool:
        jobs = [(index, pool.submit(sessions[index].run, None, {"X": x})) for index in 16 * list(range(len(sessions)))]
        for index, job in jobs:
            np.testing.assert_array_equal(job.result()[0], expected[index])


def test_sessions_are_made_and_dropped_in_many_threads(network: Network, x: Array) -> None:
    """ONNX Runtime loads the library with the first of them and lets go of it with the last, over and over."""
    model = network()
    expected = run(model, x)
    with ThreadPoolExecutor(4) as pool:
        for output in pool.map(lambda _: run(model, x), range(24)):
            np.testing.assert_array_equal(output, expected)


def test_options_are_registered_once_and_serve_many_sessions(network: Network, x: Array) -> None:
    options = session_options()
    zaponnx.register(options)
    zaponnx.register(options)
    model = network()
    expected = run(model, x)
    for _ in range(3):
        np.testing.assert_array_equal(run(model, x, options), expected)


def test_a_missing_provider_is_an_error(network: Network) -> None:
    """DirectML's, which no wheel for Linux has."""
    with pytest.raises(RuntimeUnavailable, match="DmlExecutionProvider is not available"):
        zaponnx.InferenceSession(network().SerializeToString(), providers=["dml", "cpu"])


def test_bench_times_a_model_against_the_dense_one(network: Network, tmp_path: Path) -> None:
    paths = [tmp_path / f"{form}.onnx" for form in ("nhwc", "dense")]
    for path in paths:
        onnx.save_model(network(path.stem), path)
    result = zaponnx.bench(*paths, threads=(1,), iterations=2, warmup=0, input_shapes={"X": (1, 4, 8, 8)})
    assert [run.threads for run in result.runs] == [1]
