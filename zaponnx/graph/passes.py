"""The graph passes in their order: all that `convert` does to the graph of a model.

    upgrade                 the model to opset 13 and IR version 8 at least
    drop_stale_value_infos  what contradicts ONNX's shape inference
    expand_residuals        constants that are added to the calibrated sites' convolutions, and broadcast
    fold                    what is constant into the convolutions of the calibrated sites
    rewrite                 the chosen sites to ZapConv
    exchange_nhwc           ZapConvs to NHWC where that saves conversions
    declare_operators       the domain and the bodies of the operators that are used

The first four give the dense model, from which every operating point can be reached and which `strip` gives back. Each
pass is a file of its own and works in place; a second run changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import onnx

from zaponnx.graph.editing import declare_operators
from zaponnx.graph.folding import fold
from zaponnx.graph.layouts import Layouts, exchange_nhwc
from zaponnx.graph.matching import Match
from zaponnx.graph.residuals import expand_residuals
from zaponnx.graph.rewriting import Replacement, rewrite
from zaponnx.graph.upgrading import upgrade
from zaponnx.graph.value_infos import drop_stale_value_infos


@dataclass(frozen=True)
class Changes:
    """What had to be changed beside the sites.

    Attributes:
        upgraded: What was upgraded, as in "opset 9 to 13"; "" if nothing.
        stale: The tensors whose value infos were dropped.
    """

    upgraded: str = ""
    stale: tuple[str, ...] = ()


def to_dense(
    model: onnx.ModelProto, sites: Callable[[onnx.ModelProto], Sequence[Match]]
) -> tuple[onnx.ModelProto, Changes]:
    """Brings a model into the form that its operating points start from.

    Args:
        model: Any model; it may be changed.
        sites: Finds those of its sites that can become ZapConvs.

    Returns:
        The dense model; and what had to be changed.

    Raises:
        ModelError: The model cannot be upgraded, or its types or shapes contradict each other.
    """
    model, upgraded = upgrade(model)
    stale = drop_stale_value_infos(model)
    matches = sites(model)
    expand_residuals(model, matches)
    fold(model, matches)
    return model, Changes(upgraded, stale)


def to_zap_convs(model: onnx.ModelProto, replacements: Sequence[Replacement], layout: str) -> Layouts:
    """Turns sites of a dense model into ZapConvs.

    Args:
        model: What `to_dense` gave; changed in place.
        replacements: The sites, matched in this model, with their predictors and thresholds.
        layout: "auto" lets ZapConvs exchange activations in NHWC, "nchw" does not.
    """
    rewrite(model, replacements)
    layouts = exchange_nhwc(model) if layout == "auto" else Layouts()
    declare_operators(model)
    return layouts
