"""The C interface from Python, against the header and a library that computes on the CPU."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from benchmarks.gpu import library
from benchmarks.gpu.library import Description, Layer, Library, LibraryError, Weights, Work
from tests.benchmarks.gpu.conftest import HEADER

PROGRAM = """
#include "zaponnx_cuda.h"
#include <stdio.h>
#define FIELD(type, name) printf(#type "." #name " %zu\\n", offsetof(type, name));
int main(void) {{
{fields}
  printf("sizes %zu %zu\\n", sizeof(zaponnx_cuda_layer_description), sizeof(zaponnx_cuda_work));
  printf("constants %d %d %d %d %d %d %d\\n", ZAPONNX_CUDA_INTERFACE, ZAPONNX_CUDA_NHWC, ZAPONNX_CUDA_ELEMENT_FLOAT16,
         ZAPONNX_CUDA_PRECISION_FLOAT32, ZAPONNX_CUDA_PRECISION_TF32, ZAPONNX_CUDA_PRECISION_FLOAT16,
         ZAPONNX_CUDA_ELEMENT_CHANNELS_DEFAULT);
}}
"""


def test_the_structures_and_constants_are_the_headers(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    types = {"zaponnx_cuda_layer_description": Description, "zaponnx_cuda_work": Work}
    names = [(kind, field[0]) for kind, structure in types.items() for field in structure._fields_]
    fields = "\n".join(f"  FIELD({kind}, {name})" for kind, name in names)
    (tmp_path / "offsets.c").write_text(PROGRAM.format(fields=fields))
    program = str(tmp_path / "offsets")
    subprocess.run([compiler, f"-I{HEADER.parent}", "-o", program, str(tmp_path / "offsets.c")], check=True)
    printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    assert printed[:-2] == [f"{kind}.{name} {getattr(types[kind], name).offset}" for kind, name in names]
    assert printed[-2] == f"sizes {ctypes.sizeof(Description)} {ctypes.sizeof(Work)}"
    ours = (
        *(library.INTERFACE, library.NHWC, library.ELEMENT[torch.float16], library.PRECISIONS["float32"]),
        *(library.PRECISIONS["tf32"], library.PRECISIONS["float16"], library.DEFAULT_ELEMENT_CHANNELS),
    )
    assert printed[-1] == f"constants {' '.join(map(str, ours))}"


def make_weights(channels: int = 4, outputs: int = 6) -> Weights:
    torch.manual_seed(0)
    shapes = ((outputs, channels, 3, 3), (outputs,), (outputs, 1, 3, 3), (outputs,), (outputs, 1, 3, 3), (outputs,))
    return Weights(*(torch.randn(shape) for shape in shapes))


def make_layer(loaded: Library, weights: Weights, **changes: object) -> Layer:
    options = {"stride": 1, "pad": 1, "tile": ((1, 0), (0, 1)), "threshold": 0.0, "element": torch.float32}
    return Layer(loaded, weights, **{**options, "precision": "float32", **changes})  # type: ignore[arg-type]


def images(batch: int, channels: int, size: int) -> torch.Tensor:
    return torch.randn(batch, channels, size, size).contiguous(memory_format=torch.channels_last)


def test_a_layer_computes_on_torchs_tensors(stub: Path) -> None:
    """With a threshold of −∞, a convolution with residual and ReLU."""
    loaded, weights = Library(stub), make_weights()
    assert loaded.device == "Abacus, sm_0"
    layer = make_layer(loaded, weights, stride=2, threshold=-math.inf)
    x, z = images(2, 4, 9), images(2, 6, 5)
    y = layer.output_like(x)
    assert y.shape == (2, 6, 5, 5)
    layer.run(x, z, y, 0)
    expected = torch.relu(torch.nn.functional.conv2d(x, weights.W, weights.B, 2, 1) + z)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    assert layer.work(x, 0) == {"pattern": 1, "tiles": 3, "elements": 0, "outside": 12}


def test_without_a_residual_and_with_everything_skipped(stub: Path) -> None:
    loaded, weights = Library(stub), make_weights()
    layer, x = make_layer(loaded, weights, threshold=math.inf), images(1, 4, 5)
    y = layer.output_like(x)
    layer.run(x, None, y, 0)
    mask = torch.tensor(((1, 0), (0, 1)), dtype=torch.bool).repeat(3, 3)[:5, :5]
    expected = torch.relu(torch.nn.functional.conv2d(x, weights.W, weights.B, 1, 1)) * mask
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    assert layer.work(x, 0)["elements"] == 6 * int((~mask).sum())


def test_a_workspace_stays_where_it_was(stub: Path) -> None:
    """Since a captured run goes on using it; another shape has another."""
    layer = make_layer(Library(stub), make_weights())
    first, second = images(1, 4, 5), images(2, 4, 5)
    places = [layer._workspace(x).data_ptr() for x in (first, second, first)]
    assert places[0] == places[2] != places[1]


def test_what_the_library_refuses(stub: Path) -> None:
    loaded, weights = Library(stub), make_weights()
    with pytest.raises(LibraryError, match="layer_create: the layer is none that the stub knows"):
        make_layer(loaded, weights, precision="tf32")
    layer = make_layer(loaded, weights)
    with pytest.raises(LibraryError, match="output_shape: X has other channels"):
        layer.output_like(images(1, 5, 9))


def test_tensors_that_lie_otherwise(stub: Path) -> None:
    loaded, weights = Library(stub), make_weights()
    with pytest.raises(ValueError, match="W is not contiguous float32 on the CPU"):
        make_layer(loaded, weights._replace(W=weights.W.permute(0, 1, 3, 2)))
    x = images(1, 4, 5)
    layer = make_layer(loaded, weights)
    with pytest.raises(ValueError, match="not in channels_last"):
        layer.run(x.contiguous(), None, layer.output_like(x), 0)


def test_a_library_without_a_gpu_says_so(stub: Path) -> None:
    ctypes.CDLL(str(stub)).stub_fail(1)
    try:
        with pytest.raises(LibraryError, match=r"^there is no GPU; get one$"):
            Library(stub)
    finally:
        ctypes.CDLL(str(stub)).stub_fail(0)


def test_files_that_are_no_such_library(tmp_path: Path, stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.so").write_bytes(b"no library")
    with pytest.raises(LibraryError, match=r"x\.so does not load: "):
        Library(tmp_path / "x.so")
    with pytest.raises(LibraryError, match=r"is no libzaponnx_cuda\.so"):
        Library(Path(ctypes.util.find_library("m") or "libm.so.6"))
    actual = library.INTERFACE
    monkeypatch.setattr(library, "INTERFACE", 7)
    with pytest.raises(LibraryError, match=f"has version {actual} of the C interface, and this is for version 7"):
        Library(stub)
