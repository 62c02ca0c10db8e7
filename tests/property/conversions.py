"""Random conversions: which sites of a network, patterns, predictors and thresholds; and what the passes make of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import onnx
from hypothesis import reject
from hypothesis import strategies as st

from zaponnx.artifacts import Predictor
from zaponnx.errors import ModelError
from zaponnx.graph.finding import find_matches
from zaponnx.graph.matching import Match
from zaponnx.graph.passes import to_dense, to_zap_convs
from zaponnx.graph.rewriting import Replacement
from zaponnx.patterns import Pattern

THRESHOLDS = (0.0, 0.5, -0.5, -2.0, 2.0, math.inf, -math.inf)
PATTERNS = ("B", "A", "C", "D", "1", "0000100/1000010")


@dataclass(frozen=True)
class Conversion:
    """How a network is converted.

    Attributes:
        seed: Of the predictors and of the rest that is random.
        include_first: Whether first convolutions are sites.
        share: How many of the sites become ZapConvs, from 0 to 1.
        thresholds: What each ZapConv or each of its channels gets one of.
        per_channel: Whether each channel has a threshold of its own.
    """

    seed: int
    include_first: bool
    share: float
    thresholds: tuple[float, ...]
    per_channel: bool

    def sites(self, model: onnx.ModelProto) -> list[Match]:
        """Those of the model's sites that become ZapConvs."""
        matches, _ = find_matches(model, include_first=self.include_first)
        return [match for match in matches if Random(f"{self.seed}{match.output}").random() < self.share]

    def dense(self, model: onnx.ModelProto) -> onnx.ModelProto:
        """The model that ZapConvs are put into, a copy. A model that cannot be upgraded is none for these tests."""
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        try:
            return to_dense(copy, self.sites)[0]
        except ModelError:
            reject()

    def convert(
        self, dense: onnx.ModelProto, *, thresholds: tuple[float, ...] | None = None, layout: str = "auto"
    ) -> onnx.ModelProto:
        """A copy of the dense model with ZapConvs, at other thresholds if so wished."""
        copy = onnx.ModelProto()
        copy.CopyFrom(dense)
        rng = np.random.default_rng(self.seed)
        replacements = []
        for match in self.sites(copy):
            channels = match.weights.shape[0]
            count = channels if self.per_channel else 1
            chosen = tuple(rng.choice(thresholds or self.thresholds, count).tolist())
            pattern = Pattern.parse(str(rng.choice(PATTERNS)))
            replacements.append(Replacement(match, _predictor(channels, rng), chosen, pattern))
        to_zap_convs(copy, replacements, layout)
        return copy


@st.composite
def conversions(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Conversion:
    """Conversions of any network."""
    return Conversion(
        seed=draw(st.integers(0, 99)),
        include_first=draw(st.booleans()),
        share=draw(st.sampled_from([1.0, 0.5])),
        thresholds=tuple(draw(st.lists(st.sampled_from(THRESHOLDS), min_size=1, max_size=3))),
        per_channel=draw(st.booleans()),
    )


def _predictor(channels: int, rng: np.random.Generator) -> Predictor:
    shapes = ((channels, 1, 3, 3), (channels,), (channels, 1, 3, 3), (channels,))
    return Predictor(*(rng.normal(size=shape).astype(np.float32) / 2 for shape in shapes))
