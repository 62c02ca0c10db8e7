"""ZapConv's formula, written independently of its body: in float64 numpy, with room for what rounding may change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo import agreement

Array = npt.NDArray[Any]


class Expected(agreement.Expected):
    """R and V of the formula in float64, and where an output is computed for certain, or may be."""

    def assert_matches(self, actual: Array, tolerance: float = 1e-5) -> None:
        """Y is R where computed and 0 elsewhere; within rounding of the threshold it may be either.

        Sums of up to 36 products of size about 0.25 in float32: 1e-5 is more than 10 roundings of the largest.
        """
        assert actual.shape == self.result.shape
        assert not self.wrong(actual, tolerance, tolerance).any()


def formula(attributes: Mapping[str, Any], inputs: Mapping[str, Array]) -> Expected:
    """What a ZapConv gives.

    Args:
        attributes: The node's.
        inputs: Its inputs by name, X and Z in NCHW; no Z if it has no residual.
    """
    arrays = {name: array.astype(np.float64) for name, array in inputs.items()}
    geometry = {name: attributes[name] for name in ("strides", "pads", "dilations", "group")}
    summed = _conv(arrays["X"], arrays["W"], arrays["B"], **geometry) + arrays.get("Z", 0)
    # Not np.maximum alone: a NaN stays a NaN through ReLU and Min.
    result = np.minimum(np.maximum(summed, 0), attributes["bound"])
    rows, columns = np.indices(result.shape[2:])
    tile = np.array(attributes["pattern"]).reshape(attributes["pattern_shape"])
    in_pattern = tile[rows % tile.shape[0], columns % tile.shape[1]].astype(bool)
    depthwise = {"strides": (1, 1), "pads": (1, 1, 1, 1), "dilations": (1, 1), "group": attributes["channels"]}
    hidden = _conv(np.where(in_pattern, result, 0), arrays["P1"], arrays["p1"], **depthwise)
    predicted = _conv(np.maximum(hidden, 0), arrays["P2"], arrays["p2"], **depthwise)
    thresholds = np.array(attributes["threshold"], np.float32).astype(np.float64).reshape(1, -1, 1, 1)
    compute = in_pattern | ~(predicted <= thresholds)
    thresholds, in_pattern = (np.broadcast_to(array, result.shape) for array in (thresholds, in_pattern))
    return Expected(result, predicted, thresholds, in_pattern, compute)


def _conv(x: Array, w: Array, b: Array, strides: Any, pads: Any, dilations: Any, group: int) -> Array:
    """Convolution as in the textbook, one kernel tap at a time, in the type of x."""
    top, left, bottom, right = pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    reach = [(w.shape[2 + a] - 1) * dilations[a] + 1 for a in range(2)]
    size = [(x.shape[2 + a] - reach[a]) // strides[a] + 1 for a in range(2)]
    grouped = x.reshape(x.shape[0], group, x.shape[1] // group, *x.shape[2:])
    weights = w.reshape(group, -1, *w.shape[1:])
    y = np.zeros((x.shape[0], group, weights.shape[1], *size), x.dtype)
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            rows = slice(i * dilations[0], i * dilations[0] + (size[0] - 1) * strides[0] + 1, strides[0])
            columns = slice(j * dilations[1], j * dilations[1] + (size[1] - 1) * strides[1] + 1, strides[1])
            y += np.einsum("ngchw,gmc->ngmhw", grouped[..., rows, columns], weights[..., i, j])
    return y.reshape(x.shape[0], w.shape[0], *size) + b[:, None, None]
