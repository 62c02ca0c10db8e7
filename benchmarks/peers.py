"""The runtimes to compare: a dense or converted model and its inputs → a contender, which runs it once when called.

All compute in float32 and are read from the same ONNX file. OpenVINO and ncnn are optional: `make bench` installs them.
"""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zaponnx.benchmark import timing_options
from zaponnx.files import sha256
from zaponnx.runtime import open_session

Inputs = Mapping[str, npt.NDArray[np.float32]]
Contender = Callable[[], npt.NDArray[np.float32]]
"""Runs the model and returns its first output."""

_PACKAGES = {"onnxruntime": (), "openvino": ("openvino",), "ncnn": ("ncnn", "pnnx")}

PEERS = tuple(_PACKAGES)
"""The runtimes of dense models."""


def missing_packages(peer: str) -> list[str]:
    """The packages that a peer needs and that are not installed."""
    return [package for package in _PACKAGES[peer] if find_spec(package) is None]


def peer_versions() -> dict[str, str]:
    """The versions of the optional packages that are installed."""
    return {name: version(name) for names in _PACKAGES.values() for name in names if find_spec(name) is not None}


def contender(peer: str, model: Path, inputs: Inputs, threads: int, cache: Path) -> Contender:
    """A peer, ready to run a model.

    Args:
        peer: One of PEERS. Only "onnxruntime" can run converted models.
        model: The ONNX file; its batch may be dynamic.
        inputs: Input name → array, in the model's order. All have the same batch.
        threads: That it may use.
        cache: A directory for what it makes of the model.
    """
    match peer:
        case "onnxruntime":
            return _onnxruntime(model, inputs, threads)
        case "openvino":
            return _openvino(model, inputs, threads)
        case "ncnn":
            return _ncnn(model, inputs, threads, cache)
    raise ValueError(f"there is no peer '{peer}', only {', '.join(PEERS)}")


def _onnxruntime(path: Path, inputs: Inputs, threads: int) -> Contender:
    session = open_session(path, timing_options(threads), None, "bench")
    feeds = dict(inputs)

    def run() -> npt.NDArray[np.float32]:
        result: npt.NDArray[np.float32] = session.run(None, feeds)[0]
        return result

    return run


def _openvino(path: Path, inputs: Inputs, threads: int) -> Contender:
    openvino = importlib.import_module("openvino")
    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({name: list(array.shape) for name, array in inputs.items()})
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    feeds = dict(inputs)

    def run() -> npt.NDArray[np.float32]:
        request.infer(feeds, share_inputs=True)
        result: npt.NDArray[np.float32] = request.get_output_tensor(0).data
        return result

    return run


def _ncnn(path: Path, inputs: Inputs, threads: int, cache: Path) -> Contender:
    """ncnn has no batches: it runs the samples one after the other."""
    ncnn = importlib.import_module("ncnn")
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_winograd_convolution = True
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed"):
        setattr(net.opt, f"use_{option}", False)
    param, weights = _ncnn_files(path, inputs, cache)
    if net.load_param(str(param)) or net.load_model(str(weights)):
        raise RuntimeError(f"ncnn cannot load {param}")
    samples = [[ncnn.Mat(sample).clone() for sample in batch] for batch in zip(*inputs.values(), strict=True)]

    def run() -> npt.NDArray[np.float32]:
        outputs = []
        for sample in samples:
            extractor = net.create_extractor()
            for index, mat in enumerate(sample):
                extractor.input(f"in{index}", mat)
            outputs.append(np.array(extractor.extract("out0")[1]))
        return np.stack(outputs)

    return run


def _ncnn_files(model: Path, inputs: Inputs, cache: Path) -> tuple[Path, Path]:
    """The model as ncnn's .param and .bin, converted by pnnx."""
    directory = cache / "ncnn"
    directory.mkdir(parents=True, exist_ok=True)
    stem = sha256(model)[:16]
    files = tuple(directory / f"{stem}.ncnn.{suffix}" for suffix in ("param", "bin"))
    if not all(file.exists() for file in files):
        shapes = ",".join("[" + ",".join(map(str, (1, *array.shape[1:]))) + "]" for array in inputs.values())
        with tempfile.TemporaryDirectory() as temporary:  # pnnx writes eight other files beside the model
            copy = shutil.copy(model, Path(temporary) / f"{stem}.onnx")
            command = [Path(sys.executable).with_name("pnnx"), copy, f"inputshape={shapes}", "fp16=0"]
            subprocess.run(command, cwd=temporary, check=True, capture_output=True)
            for file in reversed(files):  # the .param, which is looked for first, last
                shutil.move(Path(temporary) / file.name, file)
    return files[0], files[1]
