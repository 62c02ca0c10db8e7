"""Random ZapConvs on torch's tensors: run by libzaponnx_cuda.so's C interface, and by the formula on the CPU."""

from __future__ import annotations

import ctypes
import math
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.library import PRECISIONS, Description, Library, Work


@cache
def library() -> Library:
    """The library that ZAPONNX_CUDA_LIBRARY names, or the installed one."""
    named = os.environ.get("ZAPONNX_CUDA_LIBRARY")
    if named:
        return Library(Path(named))
    from zaponnx.runtime import library_path

    return Library(library_path().with_name("libzaponnx_cuda.so"))


@dataclass(frozen=True)
class Random:
    """A layer and its input; the seed and the extents fix everything.

    The factors are exact in float16, so that all precisions form the same products.
    """

    batch: int = 2
    in_channels: int = 20
    channels: int = 70
    size: tuple[int, int] = (13, 18)
    kernel: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)
    dilations: tuple[int, int] = (1, 1)
    group: int = 1
    tile: tuple[tuple[int, ...], ...] = ((1, 0), (0, 1))
    threshold: tuple[float, ...] = (0.5,)
    bound: float = math.inf
    residual: bool = False
    poison: float = 0.0
    seed: int = 0

    def tensors(self) -> dict[str, Tensor]:
        """W, B, P1, p1, P2, p2 and X, and Z if there is a residual: float32 on the CPU, in the operator's shapes."""
        generator = torch.Generator().manual_seed(self.seed)
        m = self.channels
        shapes: dict[str, tuple[int, ...]] = {
            "W": (m, self.in_channels // self.group, *self.kernel),
            "B": (m,),
            "P1": (m, 1, 3, 3),
            "p1": (m,),
            "P2": (m, 1, 3, 3),
            "p2": (m,),
            "X": (self.batch, self.in_channels, *self.size),
        }
        tensors = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
        for name in ("W", "X"):
            tensors[name] = tensors[name].half().float()
        if self.poison:
            tensors["X"].view(-1)[tensors["X"].numel() // 2] = self.poison
        if self.residual:
            tensors["Z"] = torch.randn(self._convolved(tensors).shape, generator=generator)
        return tensors

    def _convolved(self, tensors: dict[str, Tensor]) -> Tensor:
        top, left, bottom, right = self.pads
        x = functional.pad(tensors["X"], (left, right, top, bottom))
        return functional.conv2d(
            x, tensors["W"], tensors["B"], stride=self.strides, dilation=self.dilations, groups=self.group
        )

    def wrong(self, y: Tensor) -> int:
        """How many outputs are neither the formula's, in float64, nor within rounding of the threshold.

        Sums of 2304 products of size 1 are about 50; tensor cores cut each of 288 steps at 24 bits, which is 2e-3 if
        all go one way. The predictor multiplies by up to about 10.
        """
        tensors = {name: tensor.double() for name, tensor in self.tensors().items()}
        summed = self._convolved(tensors)
        if self.residual:
            summed = summed + tensors["Z"]
        result = functional.relu(summed).clamp(max=self.bound)
        tile = torch.tensor(self.tile, dtype=torch.bool)
        height, width = result.shape[2:]
        in_pattern = tile.repeat(height // tile.shape[0] + 1, width // tile.shape[1] + 1)[:height, :width]
        known = torch.where(in_pattern, result, 0.0)
        depthwise = {"padding": 1, "groups": self.channels}
        hidden = functional.relu(functional.conv2d(known, tensors["P1"], tensors["p1"], **depthwise))
        predicted = functional.conv2d(hidden, tensors["P2"], tensors["p2"], **depthwise)
        threshold = torch.tensor(self.threshold, dtype=torch.float64).view(1, -1, 1, 1)
        compute = in_pattern | ~(predicted <= threshold)
        near = ~in_pattern & ((predicted - threshold).abs() < 3e-2)
        actual = y.double()
        right = torch.isclose(actual, torch.where(compute, result, 0.0), rtol=1e-4, atol=3e-3, equal_nan=True)
        other = torch.isclose(actual, torch.where(compute, 0.0, result), rtol=1e-4, atol=3e-3, equal_nan=True)
        return int((~(right | (near & other))).sum())


class Layer:
    """A Random made ready on the GPU."""

    def __init__(
        self, random: Random, precision: str = "float32", *, nhwc: bool = False, method: int = 0, elements: int = -1
    ) -> None:
        self.random, self._nhwc = random, nhwc
        tensors = random.tensors()
        tile = torch.tensor(random.tile, dtype=torch.uint8)
        threshold = torch.tensor(random.threshold)
        description = Description()
        description.w_shape[:] = tensors["W"].shape
        description.group = random.group
        description.strides[:] = random.strides
        description.dilations[:] = random.dilations
        description.pads[:] = random.pads
        description.pattern_shape[:] = tile.shape
        description.pattern = tile.data_ptr()
        description.threshold_count = len(random.threshold)
        description.threshold = threshold.data_ptr()
        for name in ("W", "B", "P1", "p1", "P2", "p2"):
            setattr(description, name, tensors[name].data_ptr())
        description.bound = random.bound
        description.layout = int(nhwc)
        description.precision = PRECISIONS[precision]
        description.method = method
        description.element_channels = elements
        self._layer = ctypes.c_void_p()
        library().call("layer_create", ctypes.byref(description), ctypes.byref(self._layer))
        self.x = self._on_gpu(tensors["X"])
        self._z = self._on_gpu(tensors["Z"]) if random.residual else None
        self._x_shape = (ctypes.c_int64 * 4)(*self.x.shape)
        y_shape, size = (ctypes.c_int64 * 4)(), ctypes.c_size_t()
        library().call("output_shape", self._layer, self._x_shape, y_shape)
        library().call("workspace_size", self._layer, self._x_shape, ctypes.byref(size))
        self.y = torch.full(list(y_shape), -12345.0, device="cuda")
        self._workspace = torch.full((size.value,), 0xFE, dtype=torch.uint8, device="cuda")

    def __del__(self) -> None:
        library().call("layer_destroy", self._layer)

    def _on_gpu(self, nchw: Tensor) -> Tensor:
        return (nchw.permute(0, 2, 3, 1) if self._nhwc else nchw).contiguous().cuda()

    def launch(self) -> None:
        """Computes y on torch's current stream."""
        pointers = [self.x.data_ptr(), None if self._z is None else self._z.data_ptr(), self.y.data_ptr()]
        library().call(
            "run",
            self._layer,
            self._x_shape,
            *(ctypes.c_void_p(pointer) for pointer in (*pointers, self._workspace.data_ptr())),
            ctypes.c_size_t(self._workspace.numel()),
            ctypes.c_void_p(torch.cuda.current_stream().cuda_stream),
        )

    def result(self) -> Tensor:
        """y in NCHW on the CPU."""
        return (self.y.permute(0, 3, 1, 2) if self._nhwc else self.y).cpu()

    def work(self) -> Work:
        """What the last launch did."""
        work = Work()
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        workspace = ctypes.c_void_p(self._workspace.data_ptr())
        library().call("read_work", self._layer, self._x_shape, workspace, stream, ctypes.byref(work))
        return work
