"""Models for the tests of the whole: a tiny ZapConv and its dense twin, and the digits network with all artifacts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import helper, numpy_helper

import zaponnx
from tests.sound_artifacts import sound_calibration, sound_fit
from zaponnx.artifacts import Calibration, Fit
from zaponnx.calib.demo import Demo
from zaponnx.calib.exporting import ExportReport
from zaponnx.cli import main
from zaponnx.operator import TO_NCHW, TO_NHWC, ZAP_CONV_NHWC
from zaponnx.operator.body import build_body
from zaponnx.self_check import tiny_model


@pytest.fixture(scope="session")
def zap_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one ZapConv, X (N, 4, H, W) → Y of the same shape."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.zap.onnx"
    onnx.save_model(tiny_model(), path)
    return path


@pytest.fixture(scope="session")
def dense_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with Conv and Relu in place of ZapConv."""
    model = tiny_model()
    del model.graph.node[:], model.functions[:], model.opset_import[1:]
    model.graph.node.append(helper.make_node("Conv", ["X", "W", "B"], ["convolved"], name="conv", pads=[1, 1, 1, 1]))
    model.graph.node.append(helper.make_node("Relu", ["convolved"], ["Y"], name="relu"))
    path = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    onnx.save_model(model, path)
    return path


@pytest.fixture
def to_nhwc() -> Callable[..., None]:
    """Puts the ZapConv of the tiny model into NHWC, between Transposes: to_nhwc(model, entering=..., leaving=...)."""

    def edit(model: onnx.ModelProto, entering: Sequence[int] = TO_NHWC, leaving: Sequence[int] = TO_NCHW) -> None:
        [node] = model.graph.node
        node.op_type, node.input[0], node.output[0] = ZAP_CONV_NHWC, "X/nhwc", "Y/nhwc"
        model.graph.node.insert(0, helper.make_node("Transpose", ["X"], ["X/nhwc"], perm=entering))
        model.graph.node.append(helper.make_node("Transpose", ["Y/nhwc"], ["Y"], perm=leaving))
        model.functions[0].CopyFrom(build_body(ZAP_CONV_NHWC, model.opset_import[0].version))

    return edit


@pytest.fixture
def calibration() -> Calibration:
    """Of two sites, "relu1" and "relu2"."""
    return sound_calibration()


@pytest.fixture
def fit() -> Fit:
    """Of the same sites."""
    return sound_fit()


@pytest.fixture(scope="session")
def program() -> Path:
    """The installed command."""
    return Path(sys.executable).with_name("zaponnx")


@pytest.fixture(scope="session")
def ort_headers() -> Path:
    """The directory of ONNX Runtime's C++ headers that `make` has found, so that none fetches them again."""
    cache = Path(__file__).parents[1] / "build" / "native" / "CMakeCache.txt"
    found = re.search(r"^ONNXRUNTIME_INCLUDE_DIR:PATH=(.+)$", cache.read_text(), flags=re.MULTILINE)
    assert found
    return Path(found[1])


@pytest.fixture(scope="session")
def run(program: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command in a process of its own."""

    def run_program(*arguments: object, **keywords: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, **keywords)

    return run_program


@pytest.fixture(scope="session")
def invoke() -> Callable[..., Result]:
    """Runs a command in this process."""

    def invoke_main(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke_main


@dataclass(frozen=True)
class Flow:
    """All files that the flow makes of one model."""

    model: Path
    calibration: Path
    fit: Path
    converted: Path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """The flow on random images and a small network of random weights: input (N, 3, 12, 12), five scores."""
    directory = tmp_path_factory.mktemp("small")
    flow = Flow(*(directory / f"model.{suffix}" for suffix in ("onnx", "zapcal", "zapfit.json", "zap.onnx")))
    onnx.save_model(_small_network(seed=0), flow.model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zaponnx.calib.refining.Refiner.gain", lambda *_: 1.0)  # whatever two steps give
        zaponnx.calibrate(flow.model, "random", flow.calibration, samples=16, epochs=1, refine_steps=2)
    zaponnx.fit(flow.calibration, flow.fit)
    zaponnx.convert(flow.model, flow.calibration, flow.fit, flow.converted, mac_saving=0.2)
    return flow


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network with other weights."""
    path = tmp_path_factory.mktemp("other") / "other.onnx"
    onnx.save_model(_small_network(seed=1), path)
    return path


def _small_network(seed: int) -> onnx.ModelProto:
    text = """<ir_version: 8, opset_import: ["": 17]>
    small (float[N, 3, 12, 12] input) => (float[N, 5] output) {
        stem = Conv <pads = [1, 1, 1, 1]> (input, W0)
        stem_active = Relu (stem)
        middle = Conv <pads = [1, 1, 1, 1]> (stem_active, W1, B1)
        active = Relu (middle)
        pooled = GlobalAveragePool (active)
        features = Flatten (pooled)
        output = Gemm <transB = 1> (features, W2)
    }"""
    model = onnx.parser.parse_model(text)
    generator = np.random.default_rng(seed)
    shapes = {"W0": (8, 3, 3, 3), "W1": (8, 8, 3, 3), "B1": (8,), "W2": (5, 8)}
    for name, shape in shapes.items():
        values = generator.standard_normal(shape).astype(np.float32) / 4
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    for node, name in zip(model.graph.node, ("stem", "", "middle"), strict=False):
        node.name = name
    return model


@pytest.fixture(scope="session")
def demo_result(small: Flow) -> Demo:
    """A demo's result, with the small network in place of the digits'."""
    fit = {"calibration": small.calibration, "fit": small.fit, "epsilon": 0.2}
    tuned = small.model.with_name("tuned.onnx")
    timed = {"threads": (1,), "iterations": 1, "warmup": 0}
    return Demo(
        output=small.model.parent,
        epsilon=0.2,
        export=ExportReport("small", small.model, 17, (1, 3, 12, 12), 1000, 0.0, None),
        conversion=zaponnx.convert(small.model, **fit, output=small.model.with_name("again.onnx")),
        tuned=zaponnx.convert(small.model, **fit, output=tuned, tune=True, data="random", threads=1),
        inspection=zaponnx.inspect(small.converted),
        evaluation=zaponnx.eval([small.model, small.converted, tuned], "random", samples=8),
        benchmark=zaponnx.bench(small.converted, small.model, **timed),
        tuned_benchmark=zaponnx.bench(tuned, small.model, **timed),
        files=(small.model, small.calibration, small.fit, small.converted),
    )


@dataclass(frozen=True)
class ReadmeFlow:
    """The README's commands, run one after the other: where, and what each printed."""

    directory: Path
    stdout: dict[str, str]

    def run(self, command: str) -> str:
        """Runs one more there, in a shell, and gives what it printed."""
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        bash = ["bash", "-c", command]
        result = subprocess.run(bash, cwd=self.directory, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        return result.stdout


@pytest.fixture(scope="session")
def readme_flow(tmp_path_factory: pytest.TempPathFactory) -> ReadmeFlow:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    [commands] = re.findall(r"^```sh\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    flow = ReadmeFlow(tmp_path_factory.mktemp("readme"), {})
    for command in commands.splitlines():
        flow.stdout[command] = flow.run(command)
    return flow


@dataclass(frozen=True)
class Digits(Flow):
    """The files of the demo, and what it printed."""

    directory: Path
    stdout: str


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory, run: Callable[..., subprocess.CompletedProcess[str]]) -> Digits:
    """The demo, run once for all tests that need a trained network."""
    directory = tmp_path_factory.mktemp("demo") / "made"
    files = [directory / f"model.{suffix}" for suffix in ("onnx", "zapcal", "zapfit.json", "zap.onnx")]
    result = run("demo", "--output", directory)
    assert result.returncode == 0, result.stderr
    return Digits(*files, directory, result.stdout)
