"""The native library in ONNX Runtime: every instruction set against the formula, in many sessions and threads."""

from __future__ import annotations

import dataclasses
import math
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

import zaponnx
from tests.formula import Array
from tests.operator.running import open_session, run
from zaponnx.errors import ZapError
from zaponnx.operator import INPUTS

ISAS = ("scalar", "avx2", "avx512", "neon")

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "residual": {"residual": True},
    "relu6 and residual": {"bound": 0.4, "residual": True, "strides": (2, 2)},
    "pattern D, groups": {"pattern": "D", "size": (17, 33), "group": 2},
    "pattern C, dilations": {"pattern": "C", "dilations": (2, 3), "pads": (2, 3, 2, 3), "size": (13, 11)},
    "asymmetric pads, strides": {"pads": (0, 1, 2, 3), "strides": (2, 3), "size": (12, 13)},
    "tile larger than the map": {"pattern": "0000100001/1000010000/0010000100", "size": (2, 3)},
    "flat kernel": {"kernel": (1, 5), "pads": (0, 2, 0, 2)},
    "one pixel": {"size": (1, 1)},
    "thresholds per channel": {"threshold": (-math.inf, math.inf, 0.0, 0.2, -0.2, 0.1)},
    "everything": {"threshold": (-math.inf,)},
    "pattern only": {"threshold": (math.inf,)},
    "all outputs, by Winograd's": {"pattern": "1", "size": (13, 18)},
    "all outputs, residual": {"pattern": "1", "residual": True, "bound": 0.4, "pads": (0, 1, 2, 0)},
    "all outputs, strided": {"pattern": "1", "strides": (2, 1)},
    "NaN in X": {"poison": {"X": math.nan}},
    "infinity in X": {"poison": {"X": math.inf}},
}


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes the kernels of one instruction set run; skips where the processor lacks it."""
    monkeypatch.setenv("ZAPONNX_ISA", request.param)
    try:
        zaponnx.register(onnxruntime.SessionOptions())
    except ZapError as error:
        if not any(words in str(error) for words in ("does not support", "does not have")):
            raise
        pytest.skip(f"this processor has no {request.param}")
    return str(request.param)


@pytest.mark.parametrize("name", CASES)
def test_kernels_are_the_formula(
    name: str, isa: str, make_case: Callable[..., Any], expect: Callable[..., Any]
) -> None:
    case = make_case(**CASES[name])
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        expected = expect(case)
    expected.assert_matches(run(case.model(body=False), case.fed()))


@pytest.mark.parametrize("name", CASES)
def test_nhwc_gives_the_same_bits(name: str, isa: str, make_case: Callable[..., Any]) -> None:
    case = make_case(**CASES[name])
    nhwc = dataclasses.replace(case, nhwc=True)
    actual = run(nhwc.model(body=False), nhwc.fed())
    np.testing.assert_array_equal(actual.transpose(0, 3, 1, 2), run(case.model(body=False), case.fed()))


def test_batch_and_size_may_change_between_runs(
    isa: str, make_case: Callable[..., Any], expect: Callable[..., Any]
) -> None:
    session = open_session(make_case().model())
    for batch, size in ((1, (9, 8)), (3, (20, 35)), (2, (1, 4))):
        case = make_case(batch=batch, size=size)
        expect(case).assert_matches(np.asarray(session.run(None, case.fed())[0]))


@pytest.mark.parametrize(
    ("given", "inferred"),
    [
        (("N", 4, 9, 8), ["N", 6, 4, 9]),
        ((2, 4, 9, 8), [2, 6, 4, 9]),
        # What is not known is left open: a size of -1 would be taken at its word.
        ((None, 4, 9, 8), []),
        (("N", 4, "H", 8), []),
    ],
)
def test_the_library_infers_shapes(given: list[Any], inferred: list[Any], make_case: Callable[..., Any]) -> None:
    case = make_case(strides=(2, 1), pads=(1, 2, 0, 1), size=(9, 8))
    model = case.model(body=False)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("X", TensorProto.FLOAT, given))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    session = open_session(model)
    assert session.get_outputs()[0].shape == inferred
    assert session.run(None, case.fed())[0].shape == (2, 6, 4, 9)


@pytest.mark.parametrize("nhwc", [False, True])
def test_small_maps_have_a_transform_of_their_own_where_the_graph_tells(
    nhwc: bool, isa: str, make_case: Callable[..., Any]
) -> None:
    """Sums in another order differ in some last bit, which tells Winograd's transforms apart."""
    case = make_case(batch=1, in_channels=128, channels=128, size=(14, 13), pattern="1", nhwc=nhwc)

    def output(x_shape: list[Any]) -> Array:
        model = case.model(body=False)
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("X", TensorProto.FLOAT, x_shape))
        return run(model, case.fed())

    shape = case.fed()["X"].shape
    small = output(["N", *shape[1:]])
    np.testing.assert_array_equal(output([*shape]), small)
    unknown = output(["N", "a", "b", "c"])
    np.testing.assert_array_equal(output([None, *shape[1:]]), unknown)
    assert np.array_equal(small, unknown) == (isa == "scalar")


def test_an_empty_batch_gives_an_empty_output(isa: str, make_case: Callable[..., Any]) -> None:
    case = make_case(batch=0)
    assert run(case.model(), case.fed()).shape == (0, 6, 9, 8)


@pytest.mark.parametrize("fed_weights", [("W",), ("B", "P1", "p1", "P2", "p2"), INPUTS[1:]])
def test_weights_need_not_be_constant(
    fed_weights: tuple[str, ...], isa: str, make_case: Callable[..., Any], expect: Callable[..., Any]
) -> None:
    case = make_case()
    model, inputs = case.with_fed_weights(fed_weights)
    expect(case).assert_matches(run(model, inputs))


def test_the_environment_at_registration_chooses_the_kernel(
    monkeypatch: pytest.MonkeyPatch, make_case: Callable[..., Any]
) -> None:
    """Sums in another order differ in some last bit, which tells the kernels apart."""
    case = make_case(in_channels=40, channels=24, size=(20, 20))
    best = run(case.model(), case.fed())
    monkeypatch.setenv("ZAPONNX_ISA", "scalar")
    scalar = run(case.model(), case.fed())
    options = onnxruntime.SessionOptions()
    zaponnx.register(options)
    assert options.get_session_config_entry("zaponnx.isa") == "scalar"
    monkeypatch.delenv("ZAPONNX_ISA")
    session = onnxruntime.InferenceSession(case.model().SerializeToString(), options)
    np.testing.assert_array_equal(session.run(None, case.fed())[0], scalar)
    assert not np.array_equal(best, scalar)


@pytest.mark.parametrize(("pattern", "nhwc"), [("B", False), ("D", True), ("1", False), ("1", True)])
def test_sessions_and_threads_agree_bit_for_bit(
    pattern: str, nhwc: bool, isa: str, make_case: Callable[..., Any]
) -> None:
    case = make_case(batch=2, in_channels=40, channels=24, size=(30, 30), residual=True, pattern=pattern, nhwc=nhwc)
    model, inputs = case.model(), case.fed()
    expected = run(model, inputs, threads=1)
    sessions = [open_session(model, threads=threads) for threads in (1, 2, 3)] * 2
    with ThreadPoolExecutor(6) as pool:
        for _ in range(5):
            for output in pool.map(lambda session: session.run(None, inputs)[0], sessions):
                np.testing.assert_array_equal(output, expected)


def test_the_library_exports_nothing_but_its_entry() -> None:
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", str(zaponnx.library_path())], check=True, capture_output=True, text=True
    ).stdout
    assert {line.split()[-1] for line in listing.splitlines()} == {"RegisterCustomOps"}


def test_registering_twice_and_in_many_sessions_works(
    make_case: Callable[..., Any], expect: Callable[..., Any]
) -> None:
    case = make_case()
    sessions = []
    for _ in range(3):
        options = onnxruntime.SessionOptions()
        zaponnx.register(options)
        zaponnx.register(options)
        options.register_custom_ops_library(str(zaponnx.library_path()))
        sessions.append(onnxruntime.InferenceSession(case.model().SerializeToString(), options))
    for session in sessions:
        expect(case).assert_matches(np.asarray(session.run(None, case.fed())[0]))


def test_an_entry_of_the_user_does_not_prevent_registration(make_case: Callable[..., Any]) -> None:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("zaponnx.isa", "scalar")
    zaponnx.register(options)
    # Without its body the node runs only if the library is registered.
    onnxruntime.InferenceSession(make_case().model(body=False).SerializeToString(), options)
