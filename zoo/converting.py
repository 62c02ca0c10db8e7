"""Converts a model by `convert`'s own passes, all of its sites, with random predictors instead of trained ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from zaponnx.artifacts import Predictor
from zaponnx.graph.finding import find_matches
from zaponnx.graph.matching import Match
from zaponnx.graph.originals import originals, restore
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.graph.site import Refusal
from zaponnx.patterns import ALL_OUTPUTS, Pattern

PATTERN = Pattern.parse("B")


@dataclass(frozen=True, eq=False)
class Dense:
    """A model, ready to be converted at any operating point.

    Attributes:
        model: What the operating points start from.
        upgraded: What had to be upgraded, "" if nothing.
        matches: Its sites.
        refusals: Its other convolutions.
    """

    model: onnx.ModelProto
    upgraded: str
    matches: tuple[Match, ...]
    refusals: tuple[Refusal, ...]


def dense(model: onnx.ModelProto) -> Dense:
    """Prepares a copy of a model."""
    prepared, changes = to_dense(_copy(model), lambda upgraded: find_matches(upgraded)[0])
    matches, refusals = find_matches(prepared)
    return Dense(prepared, changes.upgraded, tuple(matches), tuple(refusals))


def at_operating_point(prepared: Dense, thresholds: Mapping[str, float], seed: int) -> onnx.ModelProto:
    """A converted copy.

    Args:
        prepared: What to convert.
        thresholds: The threshold of each site, by its output.
        seed: Of the predictors.
    """
    return _converted(prepared, lambda match: (thresholds[match.output], PATTERN), seed)


def at_minus_infinity(prepared: Dense, seed: int) -> onnx.ModelProto:
    """A converted copy that skips nothing."""
    return _converted(prepared, lambda match: (-math.inf, PATTERN), seed)


def by_winograd(prepared: Dense, seed: int) -> onnx.ModelProto:
    """The same, but where it suits, all outputs are in the pattern: the library then uses Winograd's filtering."""
    return _converted(prepared, lambda match: (-math.inf, ALL_OUTPUTS if match.suits_winograd else PATTERN), seed)


def again(model: onnx.ModelProto, seed: int) -> onnx.ModelProto:
    """A converted model, converted once more."""
    return at_minus_infinity(dense(model), seed)


def stripped(prepared: Dense, model: onnx.ModelProto) -> onnx.ModelProto:
    """What is left of a converted copy when its ZapConvs are taken out again, which should be what it was made of."""
    copy = _copy(model)
    restore(copy, originals(prepared.model.graph, model.graph))
    return copy


def _converted(prepared: Dense, choose: Callable[[Match], tuple[float, Pattern]], seed: int) -> onnx.ModelProto:
    """A copy in which every site is a ZapConv with the threshold and the pattern that are chosen for it."""
    model = _copy(prepared.model)
    rng = np.random.default_rng(seed)
    replacements = []
    for match in prepared.matches:
        threshold, pattern = choose(match)
        replacements.append(Replacement(match, _predictor(match.weights.shape[0], rng), (threshold,), pattern))
    to_zap_convs(model, replacements, "auto")
    return model


def _predictor(channels: int, rng: np.random.Generator) -> Predictor:
    """Weights that keep the size of what they predict from, so that predicted values are about zero and scatter."""
    shapes = ((channels, 1, 3, 3), (channels,), (channels, 1, 3, 3), (channels,))
    return Predictor(*(rng.normal(scale=1 / 3, size=shape).astype(np.float32) for shape in shapes))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
