"""Checks a converted model before anyone gets to see it: a valid file, and equal to the original at threshold −∞."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.errors import ModelError, RuntimeUnavailable
from zaponnx.graph.converted import dense_output, set_thresholds, zap_conv_name, zap_convs
from zaponnx.mapped_sessions import open_mapped
from zaponnx.models import MEND, first_line, read_model
from zaponnx.operator import NHWC_OPERATORS, TO_NCHW
from zaponnx.operator.schema import register_schemas
from zaponnx.runtime import library_path, ort_errors, session_options
from zaponnx.single_layers import check_layer, options_of, single_layers
from zaponnx.tolerances import SENSITIVITY_FACTOR, differences, largest, neighbours, tolerances

_BATCHES = (2, 1)
"""What dynamic first dims are tried with, until the original model runs."""

_SIZES = (32, 64, 128, 224, 28, 96, 160, 256, 299, 320, 384, 416, 512, 640, 1)
"""What other dynamic dims are tried with."""

_FATAL = 4
"""ONNX Runtime's level of log messages above its errors, which also arrive as exceptions."""

_DTYPES = {"float16": np.float16, "float": np.float32, "double": np.float64, "bool": np.bool_, "string": np.str_} | {
    f"{sign}int{bits}": np.dtype(f"{sign}int{bits}").type for sign in ("", "u") for bits in (8, 16, 32, 64)
}

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Verification:
    """How a converted model was checked.

    Attributes:
        ran: What ran it: "function bodies" for plain ONNX Runtime, "library" for zaponnx's kernels.
        difference: The difference from the original at threshold −∞, relative to the tensor's largest value, of the
            tensor that comes nearest to its tolerance.
        tolerance: The difference that is allowed of that tensor, see `zaponnx.tolerances`.
    """

    ran: tuple[str, ...]
    difference: float
    tolerance: float


def verify(original: Path, converted: Path) -> Verification:
    """Checks a converted model against the original: onnx.checker, strict shape inference, and equality.

    With all thresholds at −∞ the converted model must give the outputs of the original, and the same values behind
    each ZapConv, on random inputs: in ONNX Runtime without zaponnx's library, and with it where it is installed. And
    each ZapConv by itself must do so on what the original gives it to read.

    Raises:
        ModelError: A check failed.
        RuntimeUnavailable: ONNX Runtime is not installed, or zaponnx's library does not load.
    """
    register_schemas()
    try:
        onnx.checker.check_model(str(converted), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        _check_original(original)
        raise ModelError("convert", f"the converted model is not valid: {first_line(error)}") from error
    model = read_model(converted, "convert")
    nodes = {node.output[0]: node for node in zap_convs(model)}
    tensors = {output: dense_output(node) for output, node in nodes.items()}
    layers = single_layers(model, read_model(original, "convert"))
    read = {name for layer in layers for name in layer.reads.values()}
    inputs, expected = _run_original(original, [*tensors.values(), *sorted(read.difference(tensors.values()))])
    runners = ("function bodies", "library") if has_library() else ("function bodies",)
    for runner in runners:
        for layer in layers:
            check_layer(layer, converted, {**inputs, **expected}, runner)
    tensors |= {value.name: value.name for value in model.graph.output if value.name in expected}
    expected = {name: expected[name] for name in tensors.values()}
    allowed = tolerances(model, tensors)

    @cache
    def sensitivity() -> Mapping[str, float]:
        return _sensitivity(original, inputs, expected)

    found = [
        each
        for runner in runners
        for each in _differences(converted, nodes, tensors, inputs, expected, allowed, sensitivity, runner)
    ]
    nearest = max(found, key=lambda pair: pair[0] / pair[1], default=(0.0, 0.0))
    return Verification(runners, *nearest)


def _check_original(path: Path) -> None:
    """Refuses an original that is not valid itself."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError("convert", f"it is not valid: {first_line(error)}", where=str(path), remedy=MEND) from error


def _differences(
    path: Path,
    nodes: Mapping[str, onnx.NodeProto],
    tensors: Mapping[str, str],
    inputs: Arrays,
    expected: Arrays,
    allowed: Mapping[str, float],
    sensitivity: Callable[[], Mapping[str, float]],
    runner: str,
) -> list[tuple[float, float]]:
    """The tensors' differences in a run of the converted model from what is expected, relative as in `Verification`,
    each with what is allowed of it.

    Args:
        path: The converted model.
        nodes: Its ZapConvs by what they write.
        tensors: What to compare: its tensors, and their names in the original.
        inputs, expected: Those of the original, and what it gave for them.
        allowed: Their tolerances.
        sensitivity: Measures what neighbouring inputs change in the original's tensors, which is only asked for where
            a tensor exceeds its tolerance.
        runner: What runs it, as in `Verification`.

    Raises:
        ModelError: A tensor differs by more than what is allowed.
    """
    session = _session(path, list(nodes), options_of(runner))
    with ort_errors("convert", str(path)):
        actual = session.run(list(tensors), inputs) if tensors else []
    found = []
    for (name, original_name), result in zip(tensors.items(), actual, strict=True):
        nhwc = name in nodes and nodes[name].op_type in NHWC_OPERATORS
        relative = relative_difference(expected[original_name], result.transpose(TO_NCHW) if nhwc else result)
        limit = allowed[name]
        if not relative <= limit:
            own = sensitivity()[original_name]
            limit = max(limit, SENSITIVITY_FACTOR * own) if math.isfinite(own) else limit
        if not relative <= limit:
            where = f"node '{zap_conv_name(nodes[name])}'" if name in nodes else f"output '{name}'"
            problem = f"at threshold −∞ it differs from the original by {relative:.1e} of its largest value"
            raise ModelError(
                "convert",
                f"{problem}, run by the {runner}, and neighbouring inputs change that by {own:.1e}",
                where=where,
                remedy="calibrate again without the layer (--exclude)",
            )
        found.append((relative, limit))
    return found


def _sensitivity(original: Path, inputs: Arrays, expected: Arrays) -> Mapping[str, float]:
    """Tensor → the difference in a run of the original where each value of the inputs is the float next to it."""
    session = _session(original, list(expected), session_options())
    with ort_errors("convert", str(original)):
        moved = session.run(list(expected), {name: neighbours(values) for name, values in inputs.items()})
    pairs = zip(expected.items(), moved, strict=True)
    return {name: relative_difference(values, others) for (name, values), others in pairs}


def relative_difference(expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> float:
    """The largest difference by the largest finite expected value; NaN where only one is, or for another shape."""
    if expected.shape != actual.shape:
        return math.nan
    if expected.size == 0:
        return 0.0
    return float(differences(expected, actual).max()) / (largest(expected) or 1.0)


def has_library() -> bool:
    """Whether this installation has zaponnx's library."""
    try:
        library_path()
    except RuntimeUnavailable:
        return False
    return True


def _session(path: Path, tensors: Sequence[str], options: Any) -> Any:
    """A session in which all thresholds are −∞ and some inner tensors are outputs too."""
    model = read_model(path, "convert")
    for node in zap_convs(model):
        set_thresholds(node, -math.inf)
    known = {value.name for value in (*model.graph.input, *model.graph.output)}
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors if name not in known
    )
    return open_mapped(model, path, options)


def _run_original(path: Path, tensors: Sequence[str]) -> tuple[Arrays, Arrays]:
    """Random inputs that the original model runs with, and its inner tensors and float outputs, in this order."""
    options = session_options()
    options.log_severity_level = _FATAL  # a size that does not suit the model is no news
    session = _session(path, tensors, options)
    floats = [value.name for value in session.get_outputs() if value.type in ("tensor(float)", "tensor(double)")]
    given = {value.name for value in session.get_inputs()}
    names = [*(name for name in tensors if name not in given), *(name for name in floats if name not in tensors)]
    problem: ModelError | None = None
    for size, batch in itertools.product(_SIZES, _BATCHES):
        inputs = _random_inputs(session, batch, size)
        try:
            with ort_errors("convert", str(path)):
                outputs = session.run(names or None, inputs)  # all of them, if none is to be compared
                return inputs, dict(zip(names, outputs, strict=bool(names)))
        except ModelError as error:
            problem = problem or error
    assert problem is not None
    raise problem


def _random_inputs(session: Any, batch: int, size: int) -> Arrays:
    """Standard normal values for float inputs, ones for others; dims that are first, or named so, are the batch."""
    rng = np.random.default_rng(0)
    batches = {value.shape[0] for value in session.get_inputs() if value.shape}
    inputs: dict[str, npt.NDArray[Any]] = {}
    for value in session.get_inputs():
        dtype = _DTYPES.get(value.type.removeprefix("tensor(").removesuffix(")"))
        if dtype is None:
            problem = f"its type {value.type} cannot be checked"
            remedy = "export the model with an input of float32, and a Cast behind it"
            raise ModelError("convert", problem, where=f"input '{value.name}'", remedy=remedy)
        shape = [
            dim if isinstance(dim, int) else batch if axis == 0 or (dim and dim in batches) else size
            for axis, dim in enumerate(value.shape)
        ]
        try:
            random = rng.normal(size=shape) if np.issubdtype(dtype, np.floating) else np.ones(shape, np.int64)
            inputs[value.name] = random.astype(dtype)
        except (MemoryError, ValueError) as error:
            problem = f"its shape {shape} is too large to check the model with"
            raise ModelError("convert", problem, where=f"input '{value.name}'") from error
    return inputs
