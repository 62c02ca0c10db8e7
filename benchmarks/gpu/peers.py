"""What computes a problem's layer on the GPU: cuDNN, as torch has it, and ZapConv; and whether its result is right.

cuDNN runs in channels_last, with the fastest algorithm that it finds by trying, in two ways: as a convolution with ReLU
(and residual) in one call, and as separate ones. The faster of the two counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.library import Layer, Library, Weights
from benchmarks.gpu.problems import TILES, Problem, pattern_tile, threshold_for, zap

Run = Callable[[], object]

ELEMENTS = {"float32": torch.float32, "tf32": torch.float32, "float16": torch.float16}
"""By precision, the type of activations."""

TOLERANCES = {"float32": 1e-4, "tf32": 1e-2, "float16": 1e-2}
"""Of the largest output: float32 sums in another order; factors rounded to 11 bits, some thousand of them added."""

FLIPS = 0.02
"""The share of outputs outside the pattern that may be decided otherwise, their predicted value near the threshold."""


@contextmanager
def precision_of_cudnn(precision: str) -> Iterator[None]:
    """Lets torch's convolutions use TF32 only if that is asked for, and try all algorithms."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=precision == "tf32"):
        yield


@dataclass(frozen=True, eq=False)
class Cast:
    """A problem's tensors as activations of a precision, in channels_last."""

    x: Tensor
    w: Tensor
    b: Tensor
    z: Tensor | None

    @classmethod
    def of(cls, problem: Problem, precision: str) -> Cast:
        """Rounds them."""

        def cast(tensor: Tensor) -> Tensor:
            return tensor.to(ELEMENTS[precision], memory_format=torch.channels_last)

        z = None if problem.z is None else cast(problem.z)
        return cls(cast(problem.x), cast(problem.w), problem.b.to(ELEMENTS[precision]), z)


def cudnn_runs(problem: Problem, cast: Cast) -> dict[str, Run]:
    """cuDNN's ways to compute R, by name, to be called within `precision_of_cudnn`."""
    shape = problem.shape
    stride, pad, ones = [shape.stride] * 2, [shape.pad] * 2, [1, 1]

    def separate() -> Tensor:
        total = functional.conv2d(cast.x, cast.w, cast.b, stride, pad)
        if cast.z is not None:
            total.add_(cast.z)
        return total.relu_() if shape.relu else total

    def fused() -> Tensor:
        if cast.z is None:
            return torch.cudnn_convolution_relu(cast.x, cast.w, cast.b, stride, pad, ones, 1)
        return torch.cudnn_convolution_add_relu(cast.x, cast.w, cast.z, 1.0, cast.b, stride, pad, ones, 1)

    return {"cudnn": separate, **({"cudnn_fused": fused} if shape.relu else {})}


@dataclass(frozen=True, eq=False)
class Zap:
    """ZapConv for a problem at an operating point.

    Attributes:
        run: Launches it.
        saved: Share of all outputs that is skipped.
        work: Launched once, what it did in pixels x channel blocks: see zaponnx_cuda_work.
        difference: The largest difference from the formula, of the outputs that both compute, by the largest output.
        flips: The share of outputs outside the pattern that are decided otherwise.
    """

    run: Run
    saved: float
    work: Mapping[str, int]
    difference: float
    flips: float

    def wrong(self, precision: str) -> str:
        """Why its result cannot be right, "" if it can."""
        if not self.difference <= TOLERANCES[precision]:
            return f"it differs from the formula by {self.difference:.1e} of the largest output"
        return f"{self.flips:.1%} of its decisions are others" if self.flips > FLIPS else ""


def make_zap(
    library: Library, problem: Problem, cast: Cast, pattern: str, saving: float, precision: str, element_channels: int
) -> Zap:
    """A layer of the library, run once and compared with the formula in strict float32.

    Raises:
        LibraryError: The library refuses it.
    """
    shape = problem.shape
    tile = pattern_tile(pattern, shape.output_size, problem.x.device)
    with precision_of_cudnn("float32"):
        dense = problem.dense()
        predictions = problem.predictions(dense, tile)
    threshold = threshold_for(predictions, tile, saving)
    expected = zap(dense, predictions, tile, threshold)
    zeros = torch.zeros(shape.outputs)
    weights = [each.cpu().contiguous() for each in (problem.w, problem.b, problem.p1, problem.p2)]
    layer = Layer(
        library,
        Weights(weights[0], weights[1], weights[2], zeros, weights[3], zeros),
        stride=shape.stride,
        pad=shape.pad,
        tile=TILES[pattern],
        threshold=threshold,
        element=ELEMENTS[precision],
        precision=precision,
        element_channels=element_channels,
    )
    y = layer.output_like(cast.x)

    def run() -> None:
        layer.run(cast.x, cast.z, y, current_stream(cast.x.device))

    run()
    work = layer.work(cast.x, current_stream(cast.x.device))
    saved = float((~(tile | ~(predictions <= threshold))).double().mean())
    return Zap(run, saved, work, *compare(y.float(), expected, tile))


def compare(found: Tensor, expected: Tensor, tile: Tensor) -> tuple[float, float]:
    """The difference and the flips of `Zap`.

    Args:
        found, expected: Y as the library computes it, and by the formula.
        tile: The pattern over the map, within which no other decision is right.
    """
    flipped = ~tile & ((found != 0) != (expected != 0))
    outside = int((~tile).sum()) * found.shape[0] * found.shape[1]
    scale = float(expected.max()) or 1.0
    return float((found - expected).masked_fill(flipped, 0).abs().max()) / scale, int(flipped.sum()) / max(1, outside)


def current_stream(device: torch.device) -> int:
    """The handle of torch's current stream; 0 where there are none."""
    return torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
