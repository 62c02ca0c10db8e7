"""Checks the installation: gives versions, the native library and its ISA, and a tiny model run in three ways."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from zaponnx.cuda_half import CudaHalf, cuda_half
from zaponnx.errors import ModelError, ZapError
from zaponnx.machine import cpu_cores, cpu_name, versions
from zaponnx.operator import DOMAIN, INPUTS, VERSION, ZAP_CONV
from zaponnx.operator.body import build_body
from zaponnx.providers import CPU
from zaponnx.runtime import library_path, onnxruntime, open_session, register, registered_isa, session_options

TOLERANCE = 1e-5
"""Largest accepted difference of an output: the sums have 72 float32 products, all of the order of 1."""

_CUDA = "CUDAExecutionProvider"
_OPSET = 17
CHANNELS = 8
"""Of the model that is run: with fewer the CUDA half takes its plain kernels alone."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SelfCheck:
    """What is installed, and how well it agrees with itself.

    Attributes:
        problem: What is wrong, "" if nothing is. What could not be found out because of it is empty or None.
        versions: Of Python and the packages.
        library: The native library.
        isa: The instruction set that its kernels use on this machine.
        cuda: Its CUDA half, which may be missing, or find no GPU: that is no problem.
        cpu, cores: The machine.
        providers: What this ONNX Runtime has.
        differences: Way of running the tiny model → largest difference from the native library's outputs.
        tolerance: What those may be at most.
    """

    problem: str
    versions: Mapping[str, str]
    library: Path | None
    isa: str
    cuda: CudaHalf | None
    cpu: str
    cores: int
    providers: tuple[str, ...]
    differences: Mapping[str, float]
    tolerance: float

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx selfcheck --json` prints it; a difference that is no number as a string."""
        differences = {way: value if math.isfinite(value) else str(value) for way, value in self.differences.items()}
        library = None if self.library is None else str(self.library)
        cuda = None if self.cuda is None else {**asdict(self.cuda), "library": str(self.cuda.library or "") or None}
        return {**asdict(self), "library": library, "cuda": cuda, "differences": differences}


def selfcheck() -> SelfCheck:
    """Runs a tiny model with the native library, by plain ONNX Runtime, and by onnx's reference implementation.

    Where there is a GPU that the library and ONNX Runtime can use, the library runs it there as well. Nothing is raised
    for what is missing or disagrees: the result says so, beside the versions that explain it.
    """
    problem, library, isa, cuda = "", None, "", None
    providers: tuple[str, ...] = ()
    differences: dict[str, float] = {}
    try:
        providers = tuple(onnxruntime("selfcheck").get_available_providers())
        library = library_path()
        cuda = cuda_half(library)
        options = session_options()
        register(options)
        isa = registered_isa(options)
        differences = _differences(options, on_gpu=bool(cuda.device) and _CUDA in providers)
        for way, value in differences.items():
            if not value <= TOLERANCE:
                text = f"{way} and the native library differ by {value:.2g}, more than {TOLERANCE:.0e}"
                raise ModelError("selfcheck", text, where=str(library), remedy="please report it")
    except ZapError as error:
        problem = str(error)
    return SelfCheck(
        problem, versions(), library, isa, cuda, cpu_name(), cpu_cores(), providers, differences, tolerance=TOLERANCE
    )


def _differences(options: Any, on_gpu: bool) -> dict[str, float]:
    """Way of running the tiny model → largest difference from the library, which is registered in the options."""
    model = tiny_model(CHANNELS)
    x = np.random.default_rng(0).standard_normal((1, CHANNELS, 9, 9)).astype(np.float32)
    native = open_session(model.SerializeToString(), options, None, "selfcheck").run(None, {"X": x})[0]
    ways = {"ONNX Runtime without the library": _plain, "onnx.reference": _reference}
    if on_gpu:
        ways["the library on CUDA"] = _on_gpu
    return {name: float(np.abs(run(model, x) - native).max()) for name, run in ways.items()}


def tiny_model(m: int = 4) -> onnx.ModelProto:
    """A model of one ZapConv, X (N, m, H, W) → Y of the same shape, pattern B, with seeded random weights."""
    generator = np.random.default_rng(1)
    shapes = {"W": (m, m, 3, 3), "B": (m,), "P1": (m, 1, 3, 3), "p1": (m,), "P2": (m, 1, 3, 3), "p2": (m,)}
    weights = {name: generator.standard_normal(shape).astype(np.float32) / 3 for name, shape in shapes.items()}
    node = helper.make_node(
        ZAP_CONV,
        list(INPUTS),
        ["Y"],
        name="tiny",
        domain=DOMAIN,
        strides=[1, 1],
        pads=[1, 1, 1, 1],
        dilations=[1, 1],
        group=1,
        pattern=[1, 0, 0, 1],
        pattern_shape=[2, 2],
        threshold=[0.0],
        channels=m,
        bound=float("inf"),
    )
    shape: list[str | int | None] = ["N", m, "H", "W"]
    graph = helper.make_graph(
        [node],
        "tiny",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    return helper.make_model(graph, functions=[build_body(ZAP_CONV, _OPSET)], opset_imports=opsets, ir_version=8)


def _plain(model: onnx.ModelProto, x: Array) -> Array:
    session = open_session(model.SerializeToString(), session_options(), None, "selfcheck")
    result: Array = session.run(None, {"X": x})[0]
    return result


def _on_gpu(model: onnx.ModelProto, x: Array) -> Array:
    options = session_options()
    register(options)
    session = open_session(model.SerializeToString(), options, [_CUDA, CPU], "selfcheck")
    result: Array = session.run(None, {"X": x})[0]
    return result


def _reference(model: onnx.ModelProto, x: Array) -> Array:
    outputs: Any = ReferenceEvaluator(model).run(None, {"X": x})
    result: Array = outputs[0]
    return result
