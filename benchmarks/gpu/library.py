"""libzaponnx_cuda.so by its C interface, custom_ops/cuda/zaponnx_cuda.h: layers that run on torch's tensors."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

INTERFACE = 2
NHWC = 1
ELEMENT = {torch.float32: 0, torch.float16: 1}
PRECISIONS = {"float32": 0, "tf32": 1, "float16": 2}
DEFAULT_ELEMENT_CHANNELS = -1

_Four = ctypes.c_int64 * 4
_Two = ctypes.c_int64 * 2


class LibraryError(Exception):
    """The library cannot be used, or refuses a call: says why."""


class Description(ctypes.Structure):
    """zaponnx_cuda_layer_description."""

    _fields_ = (
        ("w_shape", _Four),
        ("group", ctypes.c_int64),
        ("strides", _Two),
        ("dilations", _Two),
        ("pads", _Four),
        ("pattern_shape", _Two),
        ("pattern", ctypes.c_void_p),
        ("threshold_count", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("threshold", "W", "B", "P1", "p1", "P2", "p2")),
        ("bound", ctypes.c_float),
        *((name, ctypes.c_int32) for name in ("layout", "element", "precision", "method", "element_channels")),
    )


class Work(ctypes.Structure):
    """zaponnx_cuda_work."""

    _fields_ = tuple((name, ctypes.c_int64) for name in ("pattern", "tiles", "elements", "outside"))


class Weights(NamedTuple):
    """What a layer is made of, contiguous and float32 on the CPU; shapes as in the operator."""

    W: Tensor
    B: Tensor
    P1: Tensor
    p1: Tensor
    P2: Tensor
    p2: Tensor


class Library:
    """The library, loaded.

    Args:
        path: The file.

    Raises:
        LibraryError: It cannot be loaded, has another interface, or finds no GPU that it can use.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(path))
        except OSError as error:
            raise LibraryError(f"{path} does not load: {error}") from error
        if not hasattr(self._library, "zaponnx_cuda_interface"):
            raise LibraryError(f"{path} is no libzaponnx_cuda.so")
        found = self._library.zaponnx_cuda_interface()
        if found != INTERFACE:
            raise LibraryError(f"{path} has version {found} of the C interface, and this is for version {INTERFACE}")
        self._library.zaponnx_cuda_error.restype = ctypes.c_char_p
        self._library.zaponnx_cuda_layer_destroy.argtypes = [ctypes.c_void_p]
        self._library.zaponnx_cuda_layer_destroy.restype = None
        text = ctypes.create_string_buffer(256)
        if self._library.zaponnx_cuda_device(text, ctypes.c_size_t(len(text))):
            raise LibraryError(text.value.decode())
        self.device = text.value.decode()

    def call(self, function: str, *arguments: object) -> None:
        """Calls a function of the interface.

        Raises:
            LibraryError: It reports one.
        """
        if getattr(self._library, f"zaponnx_cuda_{function}")(*arguments):
            raise LibraryError(f"{function}: {self._library.zaponnx_cuda_error().decode()}")


class Layer:
    """A ZapConv in NHWC of float32 or float16 activations, without groups or dilations.

    Args:
        library: The library.
        weights: What it is made of.
        stride, pad: Of the convolution, in all directions.
        tile: The pattern's rows.
        threshold: The one of all channels.
        element: Of X, Z and Y.
        precision: One of PRECISIONS.
        element_channels: As in the header.

    Raises:
        LibraryError: The library refuses it.
    """

    def __init__(
        self,
        library: Library,
        weights: Weights,
        *,
        stride: int,
        pad: int,
        tile: Sequence[Sequence[int]],
        threshold: float,
        element: torch.dtype,
        precision: str,
        element_channels: int = DEFAULT_ELEMENT_CHANNELS,
    ) -> None:
        self._library = library
        self._layer = ctypes.c_void_p()
        self._workspaces: dict[tuple[int, ...], Tensor] = {}
        pattern = torch.tensor(tile, dtype=torch.uint8)
        thresholds = torch.tensor([threshold], dtype=torch.float32)
        for name, tensor in weights._asdict().items():
            if tensor.dtype != torch.float32 or tensor.device.type != "cpu" or not tensor.is_contiguous():
                raise ValueError(f"{name} is not contiguous float32 on the CPU")
        description = Description(
            _Four(*weights.W.shape),
            1,
            _Two(stride, stride),
            _Two(1, 1),
            _Four(pad, pad, pad, pad),
            _Two(*pattern.shape),
            pattern.data_ptr(),
            1,
            thresholds.data_ptr(),
            *(tensor.data_ptr() for tensor in weights),
            math.inf,
            NHWC,
            ELEMENT[element],
            PRECISIONS[precision],
            0,
            element_channels,
        )
        library.call("layer_create", ctypes.byref(description), ctypes.byref(self._layer))

    def __del__(self) -> None:
        if self._layer:
            self._library.call("layer_destroy", self._layer)

    def output_like(self, x: Tensor) -> Tensor:
        """An uninitialised Y for X, (N, C, H, W) in channels_last, as X is."""
        shape = _Four()
        self._library.call("output_shape", self._layer, _x_shape(x), shape)
        batch, height, width, channels = shape
        extents = (batch, channels, height, width)
        return torch.empty(extents, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)

    def run(self, x: Tensor, z: Tensor | None, y: Tensor, stream: int) -> None:
        """Launches Y = ZapConv(X, Z) on a CUDA stream; the tensors are (N, C, H, W) in channels_last."""
        for tensor in (x, y, *(() if z is None else (z,))):
            if not tensor.is_contiguous(memory_format=torch.channels_last):
                raise ValueError("a tensor is not in channels_last")
        workspace = self._workspace(x)
        residual = ctypes.c_void_p(None if z is None else z.data_ptr())
        pointers = (ctypes.c_void_p(x.data_ptr()), residual, ctypes.c_void_p(y.data_ptr()))
        scratch = (ctypes.c_void_p(workspace.data_ptr()), ctypes.c_size_t(workspace.numel()))
        self._library.call("run", self._layer, _x_shape(x), *pointers, *scratch, ctypes.c_void_p(stream))

    def work(self, x: Tensor, stream: int) -> dict[str, int]:
        """What the last run did on an X of this shape, in pixels x channel blocks."""
        work = Work()
        workspace = ctypes.c_void_p(self._workspace(x).data_ptr())
        arguments = (self._layer, _x_shape(x), workspace, ctypes.c_void_p(stream), ctypes.byref(work))
        self._library.call("read_work", *arguments)
        return {name: getattr(work, name) for name, *_ in Work._fields_}

    def _workspace(self, x: Tensor) -> Tensor:
        """Of X's shape, made once, so that a captured run finds it where it was."""
        key = tuple(x.shape)
        if key not in self._workspaces:
            size = ctypes.c_size_t()
            self._library.call("workspace_size", self._layer, _x_shape(x), ctypes.byref(size))
            self._workspaces[key] = torch.empty(size.value, dtype=torch.uint8, device=x.device)
        return self._workspaces[key]


def _x_shape(x: Tensor) -> ctypes.Array[ctypes.c_int64]:
    """X's shape in the layer's layout."""
    batch, channels, height, width = x.shape
    return _Four(batch, height, width, channels)
