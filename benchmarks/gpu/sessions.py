"""Whole models in ONNX Runtime on the GPU: reads a dense and a converted one, gives their times, where it is installed.

Inputs and outputs stay on the device. The session of a converted model has zaponnx's library; which of its nodes run on
the GPU is up to that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.timing import interleaved
from benchmarks.timing import Effort, Times

PROVIDER = "CUDAExecutionProvider"
_WARMUP = 10
_SIZE = 224
_ERRORS_ONLY = 3


@dataclass(frozen=True)
class SessionTimes:
    """The times of two models, in turn.

    Attributes:
        dense, converted: The files' names.
        batch: Images per run.
        tf32: Whether ONNX Runtime's convolutions may use TF32, which they do by default, and ZapConvs do.
        graph: Whether runs are replays of a CUDA graph, so that no kernel is launched from the host.
        dense_times, converted_times: Their times.
    """

    dense: str
    converted: str
    batch: int
    tf32: bool
    graph: bool
    dense_times: Times
    converted_times: Times


def unavailable() -> str:
    """Why nothing can be measured here, "" if it can."""
    try:
        import onnxruntime
    except ImportError as error:
        return f"onnxruntime-gpu is not installed ({error})"
    found = onnxruntime.get_available_providers()
    return "" if PROVIDER in found else f"this ONNX Runtime has no {PROVIDER}: pip install onnxruntime-gpu"


def bound_run(
    model: Path, library: Path | None, batch: int, provider: str, options: dict[str, Any], precision: str
) -> Callable[[], float]:
    """A model's run on random images, with all tensors on the provider's device; gives milliseconds.

    Args:
        model: With one input (N, C, H, W), float32.
        library: libzaponnx_ops.so; None for a model without zaponnx's operators.
        batch: N, where the model leaves it open; H and W are 224 where it does.
        provider, options: ONNX Runtime's.
        precision: Of ZapConv's products on CUDA, one of `benchmarks.gpu.library.PRECISIONS`.

    Raises:
        RuntimeError: The provider does not start.
    """
    import onnxruntime

    if provider == PROVIDER and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # those of NVIDIA's wheels
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = _ERRORS_ONLY
    if library is not None:
        session_options.add_session_config_entry("zaponnx.cuda.precision", precision)
        session_options.register_custom_ops_library(str(library))
    session = onnxruntime.InferenceSession(str(model), session_options, providers=[(provider, options)])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} does not start: see what ONNX Runtime has logged")
    device = "cuda" if provider == PROVIDER else "cpu"
    (node,) = session.get_inputs()
    wanted = (batch, *node.shape[1:2], _SIZE, _SIZE)
    extents = [own if isinstance(own, int) else extent for own, extent in zip(node.shape, wanted, strict=True)]
    images = np.random.default_rng(0).standard_normal(extents).astype(np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input(node.name, onnxruntime.OrtValue.ortvalue_from_numpy(images, device, 0))
    names = [output.name for output in session.get_outputs()]
    for name in names:
        binding.bind_output(name, device, 0)
    session.run_with_iobinding(binding)
    outputs = binding.get_outputs()
    binding.clear_binding_outputs()
    for name, value in zip(names, outputs, strict=True):
        binding.bind_ortvalue_output(name, value)  # where a CUDA graph will go on writing

    def run() -> float:
        start = time.perf_counter()
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return (time.perf_counter() - start) * 1e3

    for _ in range(_WARMUP):
        run()
    return run


def session_times(
    dense: Path,
    converted: Path,
    library: Path,
    batch: int,
    tf32: bool,
    graph: bool,
    effort: Effort,
    provider: str = PROVIDER,
) -> SessionTimes:
    """Times two models in turn."""
    options = {"use_tf32": int(tf32), "enable_cuda_graph": int(graph)} if provider == PROVIDER else {}
    models = {"dense": (dense, None), "converted": (converted, library)}
    precision = "tf32" if tf32 else "float32"
    runs = {name: bound_run(model, used, batch, provider, options, precision) for name, (model, used) in models.items()}
    times = interleaved(runs, effort)
    return SessionTimes(dense.name, converted.name, batch, tf32, graph, times["dense"], times["converted"])
