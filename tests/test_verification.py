"""verify: accepts what is equal at threshold −∞, whatever the thresholds, and refuses everything else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zaponnx.verification
from zaponnx.errors import ModelError, RuntimeUnavailable
from zaponnx.graph.converted import set_thresholds
from zaponnx.verification import verify


@pytest.fixture
def change(tmp_path: Path) -> Callable[[Path, Callable[[onnx.ModelProto], object]], Path]:
    """Writes a changed copy of a model file."""

    def write(path: Path, edit: Callable[[onnx.ModelProto], object]) -> Path:
        model = onnx.load_model(path)
        edit(model)
        onnx.save_model(model, tmp_path / path.name)
        return tmp_path / path.name

    return write


Change = Callable[[Path, Callable[[onnx.ModelProto], object]], Path]


def add_to(name: str, amount: float) -> Callable[[onnx.ModelProto], None]:
    """An edit that adds to the first entry of a tensor."""

    def edit(model: onnx.ModelProto) -> None:
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
        values = numpy_helper.to_array(tensor).copy()
        values.flat[0] += amount
        tensor.CopyFrom(numpy_helper.from_array(values, name))

    return edit


def test_equal_models_pass(dense_model: Path, zap_model: Path) -> None:
    result = verify(dense_model, zap_model)
    assert result.ran[0] == "function bodies"
    assert result.difference <= result.tolerance < 1e-4


@pytest.mark.parametrize("threshold", [-np.inf, 1e30, np.inf])
def test_the_thresholds_do_not_matter(dense_model: Path, zap_model: Path, change: Change, threshold: float) -> None:
    changed = change(zap_model, lambda model: set_thresholds(model.graph.node[0], threshold))
    assert verify(dense_model, changed).ran


@pytest.mark.parametrize("name", ["W", "B"])
def test_other_weights_are_refused(dense_model: Path, zap_model: Path, change: Change, name: str) -> None:
    """The smallest difference that must be seen is far above rounding, and far below what would hurt anyone."""
    with pytest.raises(ModelError, match="node 'tiny': at threshold −∞ it differs from the original"):
        verify(dense_model, change(zap_model, add_to(name, 1e-2)))


def test_values_in_nhwc_are_compared_in_nchw(
    dense_model: Path, zap_model: Path, change: Change, to_nhwc: Callable[..., None]
) -> None:
    """By the name that they have in the original; on both sides of the Transpose behind them."""
    assert verify(dense_model, change(zap_model, to_nhwc)).ran
    swapped = (0, 3, 2, 1)
    for edges, where in (({"entering": swapped}, "node 'tiny'"), ({"leaving": swapped}, "output 'Y'")):
        with pytest.raises(ModelError, match=f"{where}: at threshold −∞ it differs"):
            verify(dense_model, change(zap_model, partial(to_nhwc, **edges)))


def test_a_skip_at_minus_infinity_is_refused(dense_model: Path, zap_model: Path, change: Change) -> None:
    """A body that compares the wrong way round skips everything outside the pattern."""

    def skip_all(model: onnx.ModelProto) -> None:
        node = next(node for node in model.functions[0].node if node.op_type == "LessOrEqual")
        node.op_type = "GreaterOrEqual"

    with pytest.raises(ModelError, match="run by the function bodies"):
        verify(dense_model, change(zap_model, skip_all))


def test_invalid_models_are_refused(dense_model: Path, zap_model: Path, change: Change) -> None:
    def contradict(model: onnx.ModelProto) -> None:
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5

    with pytest.raises(ModelError, match="the converted model is not valid") as caught:
        verify(dense_model, change(zap_model, contradict))
    assert "\n" not in str(caught.value)
    original = change(dense_model, contradict)
    with pytest.raises(ModelError, match=rf"{original.name}: it is not valid: .*; mend the model, or export it again"):
        verify(original, change(zap_model, contradict))


def test_without_the_library_the_bodies_are_checked(
    dense_model: Path, zap_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise RuntimeUnavailable("register", "not there")

    monkeypatch.setattr(zaponnx.verification, "library_path", missing)
    assert verify(dense_model, zap_model).ran == ("function bodies",)


def test_sizes_are_tried_until_the_original_runs(dense_model: Path, zap_model: Path, change: Change) -> None:
    """A Gemm behind the convolution needs 64 × 64 pixels, which no dim tells."""

    def add_classifier(model: onnx.ModelProto) -> None:
        channels = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        weights = np.full((channels * 64 * 64, 3), 1e-3, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weights, "G"))
        model.graph.node.append(helper.make_node("Flatten", ["Y"], ["flat"]))
        model.graph.node.append(helper.make_node("Gemm", ["flat", "G"], ["logits"]))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3]))

    verify(change(dense_model, add_classifier), change(zap_model, add_classifier))


def test_a_batch_of_one_is_tried(dense_model: Path, zap_model: Path, change: Change) -> None:
    """What comes behind the convolution takes one image, of 32 × 32 pixels, as one row."""

    def demand_one(model: onnx.ModelProto) -> None:
        channels = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
        model.graph.initializer.append(numpy_helper.from_array(np.array([1, -1], np.int64), "one"))
        model.graph.initializer.append(numpy_helper.from_array(np.ones(channels * 32 * 32, np.float32), "weights"))
        model.graph.node.append(helper.make_node("Reshape", ["Y", "one"], ["flat"]))
        model.graph.node.append(helper.make_node("Mul", ["flat", "weights"], ["sums"]))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("sums", TensorProto.FLOAT, [1, "K"]))

    verify(change(dense_model, demand_one), change(zap_model, demand_one))


def test_inputs_that_cannot_be_made_up_are_refused(dense_model: Path, zap_model: Path, change: Change) -> None:
    def add_text_input(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info("text", TensorProto.BFLOAT16, [1]))

    match = r"input 'text': its type tensor\(bfloat16\) cannot be checked; export the model with an input of float32"
    with pytest.raises(ModelError, match=match):
        verify(change(dense_model, add_text_input), change(zap_model, add_text_input))


@pytest.mark.parametrize("text", [True, False])
def test_inputs_of_other_types(dense_model: Path, zap_model: Path, change: Change, text: bool) -> None:
    """Text, or whole numbers: what is made up of them can be read as numbers."""

    def scale(model: onnx.ModelProto) -> None:
        kind = TensorProto.STRING if text else TensorProto.INT32
        model.graph.input.append(helper.make_tensor_value_info("factor", kind, [1]))
        model.graph.node.append(helper.make_node("Cast", ["factor"], ["number"], to=TensorProto.FLOAT))
        model.graph.node.append(helper.make_node("Mul", ["Y", "number"], ["scaled"]))
        model.graph.output[0].name = "scaled"

    assert verify(change(dense_model, scale), change(zap_model, scale)).difference < 1e-5


def test_an_image_of_whole_numbers_is_no_plain_surface(dense_model: Path, zap_model: Path, change: Change) -> None:
    """A kernel that was turned over sees no difference there, but at the edges, which are cut off here."""

    def edit(model: onnx.ModelProto, turned: bool) -> None:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
        model.graph.input[0].name = "bytes"
        convolution = model.graph.node[0]
        next(each for each in convolution.attribute if each.name == "pads").ints[:] = [0] * 4
        model.graph.node.insert(0, helper.make_node("Cast", ["bytes"], ["X"], to=TensorProto.FLOAT))
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "W")
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(values[..., ::-1] if turned else values, "W"))
        for dim, name in zip(model.graph.output[0].type.tensor_type.shape.dim[2:], ("oH", "oW"), strict=True):
            dim.dim_param = name

    plain = partial(edit, turned=False)
    assert verify(change(dense_model, plain), change(zap_model, plain)).ran
    with pytest.raises(ModelError, match="node 'tiny': at threshold −∞ it differs"):
        verify(change(dense_model, plain), change(zap_model, partial(edit, turned=True)))


@pytest.fixture
def with_log(change: Change) -> Callable[..., Path]:
    """Puts Log(x + offset) behind a model, scaled: zeros of a ReLU make it as steep as 1 / offset."""

    def write(path: Path, offset: float, amount: float = 0) -> Path:
        def edit(model: onnx.ModelProto) -> None:
            model.graph.initializer.append(numpy_helper.from_array(np.array(offset, np.float32), "offset"))
            model.graph.node.append(helper.make_node("Add", ["Y", "offset"], ["above"]))
            model.graph.node.append(helper.make_node("Log", ["above"], ["log"]))
            model.graph.output[0].name = "log"
            if amount:
                add_to("B", amount)(model)

        return change(path, edit)

    return write


def test_a_model_that_enlarges_roundings_is_measured_by_itself(
    dense_model: Path, zap_model: Path, with_log: Callable[..., Path]
) -> None:
    result = verify(with_log(dense_model, 1e-7), with_log(zap_model, 1e-7))
    assert result.difference <= result.tolerance


def test_its_other_weights_are_refused(dense_model: Path, zap_model: Path, with_log: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"node 'tiny': at threshold −∞ it differs .* on the same input"):
        verify(with_log(dense_model, 1e-7), with_log(zap_model, 1e-7, 1e-2))


def rounded(type_: int) -> Callable[[onnx.ModelProto], None]:
    """An edit that rounds the output to another type, and back."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Cast", ["Y"], ["narrow"], to=type_))
        model.graph.node.append(helper.make_node("Cast", ["narrow"], ["wide"], to=TensorProto.FLOAT))
        model.graph.output[0].name = "wide"

    return edit


def recorded(differences: list[float]) -> Callable[..., float]:
    """What compares two tensors, as it is, but every result is recorded."""
    compare = zaponnx.verification.relative_difference

    def difference(*arrays: np.ndarray) -> float:
        differences.append(compare(*arrays))
        return differences[-1]

    return difference


@pytest.mark.parametrize("narrow", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_a_cast_may_fall_either_way(
    dense_model: Path, zap_model: Path, change: Change, narrow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference before the cast that rounding in float32 explains, and a step behind it, which that does not."""

    def edit(model: onnx.ModelProto) -> None:
        add_to("B", 1e-5)(model)
        rounded(narrow)(model)

    original, changed = change(dense_model, rounded(narrow)), change(zap_model, edit)
    differences: list[float] = []
    monkeypatch.setattr(zaponnx.verification, "relative_difference", recorded(differences))
    assert verify(original, changed).difference < 1e-5
    assert max(differences) > 1e-4


def test_a_cast_elsewhere_excuses_nothing(dense_model: Path, zap_model: Path, change: Change) -> None:
    """The cast model's other output, and the ZapConv itself, are held to float32."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.output.append(model.graph.output[0])
        rounded(TensorProto.FLOAT16)(model)

    def edit_and_change(model: onnx.ModelProto) -> None:
        add_to("B", 2.0**-11)(model)
        edit(model)

    original = change(dense_model, edit)
    result = verify(original, change(zap_model, edit))
    assert result.difference <= result.tolerance < 1e-4
    with pytest.raises(ModelError, match="node 'tiny': at threshold −∞ it differs"):
        verify(original, change(zap_model, edit_and_change))


def test_models_without_anything_to_compare(dense_model: Path, change: Change) -> None:
    """A dense model whose only output is a class."""

    def classify(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("ArgMax", ["Y"], ["class"], axis=1))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("class", TensorProto.INT64, ["N", 1, "H", "W"]))

    changed = change(dense_model, classify)
    assert verify(changed, changed).difference == 0
