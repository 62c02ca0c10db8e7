"""Converts a model by `convert`'s own passes, all of its sites, with random predictors instead of trained ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from zaponnx.artifacts import Predictor
from zaponnx.graph.finding import find_matches
from zaponnx.graph.matching import Match
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.graph.site import Refusal
from zaponnx.patterns import Pattern

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
    prepared, upgraded = to_dense(_copy(model), lambda upgraded: find_matches(upgraded)[0])
    matches, refusals = find_matches(prepared)
    return Dense(prepared, upgraded, tuple(matches), tuple(refusals))


def converted(prepared: Dense, thresholds: Mapping[str, float], seed: int) -> onnx.ModelProto:
    """A converted copy.

    Args:
        prepared: What to convert.
        thresholds: The threshold of each site, by its output.
        seed: Of the predictors.
    """
    model = _copy(prepared.model)
    rng = np.random.default_rng(seed)
    replacements = [
        Replacement(match, _predictor(match.weights.shape[0], rng), (thresholds[match.output],), PATTERN)
        for match in prepared.matches
    ]
    to_zap_convs(model, replacements, "auto")
    return model


def again(model: onnx.ModelProto) -> onnx.ModelProto:
    """A converted model, converted once more."""
    prepared = dense(model)
    return converted(prepared, {match.output: 0.0 for match in prepared.matches}, seed=0)


def _predictor(channels: int, rng: np.random.Generator) -> Predictor:
    """Weights that keep the size of what they predict from, so that predicted values are about zero and scatter."""
    shapes = ((channels, 1, 3, 3), (channels,), (channels, 1, 3, 3), (channels,))
    return Predictor(*(rng.normal(scale=1 / 3, size=shape).astype(np.float32) for shape in shapes))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
