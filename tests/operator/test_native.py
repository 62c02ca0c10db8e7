"""The native library in ONNX Runtime: every instruction set against the formula, and every wrong input refused."""

from __future__ import annotations

import dataclasses
import math
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import zaponnx
from zaponnx.errors import ZapError
from zaponnx.operator import ATTRIBUTES, INPUTS

Array = npt.NDArray[Any]
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


def open_session(model: onnx.ModelProto, *, threads: int = 2) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    zaponnx.register(options)
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto, inputs: dict[str, Array], **options: Any) -> Array:
    return np.asarray(open_session(model, **options).run(None, inputs)[0])


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
    model = case.model(body=False)
    constant = [tensor for tensor in model.graph.initializer if tensor.name not in fed_weights]
    for tensor in model.graph.initializer:
        if tensor.name in fed_weights:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
    del model.graph.initializer[:]
    model.graph.initializer.extend(constant)
    inputs = {name: array for name, array in case.inputs().items() if name in ("X", *fed_weights)}
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


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_weights_that_are_not_finite_are_refused(value: float, make_case: Callable[..., Any]) -> None:
    with pytest.raises(Exception, match="input W has a value that is infinite or not a number"):
        open_session(make_case(poison={"W": value}).model(body=False))


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


def test_an_unknown_isa_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAPONNX_ISA", "abacus")
    with pytest.raises(ZapError, match=r"ZAPONNX_ISA asks for 'abacus'.*scalar"):
        zaponnx.register(onnxruntime.SessionOptions())


WRONG_ATTRIBUTES: dict[str, tuple[str, Any, str]] = {
    "pattern length": ("pattern", [1, 0, 0], r"pattern has 3 entries, but pattern_shape is \(2, 2\)"),
    "pattern rank": ("pattern_shape", [4], "pattern_shape has 1 values"),
    "pattern shape that overflows": ("pattern_shape", [274177, 67280421310721], "pattern_shape has the value 67280421"),
    "strides": ("strides", [0, 1], "strides has the value 0"),
    "dilations": ("dilations", [1 << 62, 1], "dilations has the value 4611686018427387904"),
    "pads": ("pads", [1, 1], "pads has 2 values"),
    "group": ("group", 4, "6 output channels, which attribute group 4 does not divide"),
    "channels": ("channels", 7, "6 output channels, but attribute channels is 7"),
    "threshold": ("threshold", [0.0, 0.0], "threshold has 2 values"),
    "bound": ("bound", -1.0, "bound is -1"),
}


@pytest.mark.parametrize("name", WRONG_ATTRIBUTES)
def test_wrong_attributes_are_refused(name: str, make_case: Callable[..., Any]) -> None:
    attribute, value, message = WRONG_ATTRIBUTES[name]
    model = make_case().model(body=False)
    node = model.graph.node[0]
    kept = [a for a in node.attribute if a.name != attribute]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(attribute, value)])
    with pytest.raises(Exception, match=message):
        open_session(model)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_missing_attribute_is_refused(name: str, make_case: Callable[..., Any]) -> None:
    model = make_case().model(body=False)
    node = model.graph.node[0]
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    with pytest.raises(Exception, match=f"attribute {name} is missing"):
        open_session(model)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("X", (1, 5, 9, 8), r"input X has 5 channels.*asks for 4"),
        ("X", (1, 4, 0, 8), r"input X has the shape \(1, 4, 0, 8\)"),
        ("Z", (1, 6, 9, 7), r"input Z has the shape \(1, 6, 9, 7\); it must have the shape \(1, 6, 9, 8\)"),
        ("W", (6, 4, 0, 3), r"input W has the shape \(6, 4, 0, 3\)"),
        ("B", (5,), r"input B has the shape \(5\); it must have the shape \(6\)"),
        ("P1", (6, 1, 5, 5), r"input P1 has the shape \(6, 1, 5, 5\)"),
        ("p2", (1,), r"input p2 has the shape \(1\)"),
    ],
)
def test_wrong_shapes_are_refused(
    name: str, shape: tuple[int, ...], message: str, make_case: Callable[..., Any]
) -> None:
    case = dataclasses.replace(make_case(), batch=1, residual=True)
    model = case.model(body=False)
    inputs = case.inputs()
    # All inputs without a static shape, so that nothing but the kernel can object.
    del model.graph.input[:]
    del model.graph.initializer[:]
    for input_name in inputs:
        model.graph.input.append(helper.make_tensor_value_info(input_name, TensorProto.FLOAT, None))
    inputs[name] = np.zeros(shape, np.float32)
    with pytest.raises(Exception, match=message):
        run(model, inputs)


def test_other_element_types_are_refused(make_case: Callable[..., Any]) -> None:
    model = make_case().model(body=False)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    with pytest.raises(Exception, match=r"'tensor\(double\)' of input parameter \(X\)"):
        open_session(model)


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
