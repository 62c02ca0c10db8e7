"""Layer by layer: reads the sources, gives what each convolution computes, skips and takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from zaponnx.artifacts import SiteCalibration
from zaponnx.calib.analysis import SiteAnalysis
from zaponnx.calib.report.contents import Layer, LayerTimes
from zaponnx.calib.report.sources import Sources
from zaponnx.evaluation import LayerSaving
from zaponnx.graph.converted import dense_output, zap_convs
from zaponnx.graph.shapes import infer_shapes
from zaponnx.graph.surgery import import_graph
from zaponnx.inspection import InspectedLayer
from zaponnx.operator import NHWC_OPERATORS
from zaponnx.patterns import Pattern

_AT_THIS_POINT = "it can be predicted, and nothing was to be skipped at this operating point"


def all_layers(sources: Sources, analyzed: Mapping[str, SiteAnalysis]) -> tuple[Layer, ...]:
    """The model's convolutions, in its order.

    Args:
        sources: What was given.
        analyzed: The calibrated layers by their outputs; empty without the calibration file.
    """
    sites = {site.output: site for site in sources.sites}
    measured = _measured(sources)
    times = _times(sources)
    reasons = {refusal.name: refusal.reason for refusal in sources.conversion.dense} if sources.conversion else {}
    areas = _areas(sources)
    layers = []
    for inspected in sources.inspection.layers:
        layer = _layer(inspected, areas.get(inspected.output), reasons.get(inspected.name, ""))
        layer = _with_expectations(layer, inspected.output, sites.get(inspected.output), sources)
        if saving := measured.get(inspected.output):
            layer = replace(
                layer, macs=layer.macs or saving.macs, saved=saving.mac_saved, net_saved=saving.net_mac_saved
            )
        if found := analyzed.get(inspected.output):
            layer = replace(layer, zeros=found.zeros, area=found.area)
        layers.append(replace(layer, times=times.get(inspected.output)))
    return tuple(layers)


def skipping_thresholds(sources: Sources) -> dict[str, tuple[float, ...]]:
    """The calibrated layers' thresholds in the model, by their outputs; −∞ for those that do not skip."""
    skipping = {
        layer.output: layer.thresholds
        for layer in sources.inspection.layers
        if layer.status == "converted" and not _in_full(layer)
    }
    return {site.output: skipping.get(site.output, (-math.inf,)) for site in sources.sites}


def _in_full(layer: InspectedLayer) -> bool:
    return all(Pattern.parse(layer.pattern).flat) or max(layer.thresholds) == -math.inf


def _layer(inspected: InspectedLayer, area: tuple[int, int] | None, reason: str) -> Layer:
    """What the model itself says; `area` are the height and width of the layer's outputs, None where unknown."""
    if inspected.status != "converted":
        why = reason or inspected.reason or _AT_THIS_POINT
        return Layer(inspected.name, "dense", why, inspected.macs, 0, None, ())
    tile = Pattern.parse(inspected.pattern)
    in_full = _in_full(inspected)
    return Layer(
        name=inspected.name,
        form="in full" if in_full else "skips",
        reason="",
        macs=inspected.macs,
        predictor_macs=inspected.predictor_macs,
        pattern=1.0 if in_full else float(tile.mask(*area).mean()) if area else tile.share,
        thresholds=inspected.thresholds,
    )


def _with_expectations(layer: Layer, output: str, site: SiteCalibration | None, sources: Sources) -> Layer:
    if site is None or sources.expectations is None or not sources.expectations.known:
        return layer
    effects = sources.expectations.effects(output, [layer.thresholds if layer.form == "skips" else (-math.inf,)])
    return replace(
        layer,
        macs=layer.macs or site.macs,
        expected_saved=float(effects.saved[0]),
        expected_error=float(effects.error[0]),
    )


def _measured(sources: Sources) -> dict[str, LayerSaving]:
    """What eval measured of the ZapConvs, by their outputs; it lists them in the model's order."""
    if sources.evaluation is None:
        return {}
    converted = [layer.output for layer in sources.inspection.layers if layer.status == "converted"]
    return dict(zip(converted, sources.evaluation[1].layers, strict=False))


def _times(sources: Sources) -> dict[str, LayerTimes]:
    """What tuning measured, by output; a layer that stays dense takes its dense time."""
    if sources.conversion is None or sources.conversion.tuning is None:
        return {}
    found = {}
    for site in sources.conversion.tuning.sites:
        times = site.times.get(site.form) or next(iter(site.times.values()))
        now = times.converted_ms if site.form in site.times else times.dense_ms
        found[site.output] = LayerTimes(times.dense_ms, now, times.noise_ms)
    return found


def _areas(sources: Sources) -> dict[str, tuple[int, int]]:
    """The heights and widths of the ZapConvs' outputs, by output, where the model fixes them."""
    shapes = infer_shapes(sources.model, import_graph(sources.model), batch=1)
    found = {}
    for node in zap_convs(sources.model):
        shape = shapes.get(node.output[0]) or ()
        area = shape[1:3] if node.op_type in NHWC_OPERATORS else shape[2:4]
        match tuple(area):
            case (int(height), int(width)):
                found[dense_output(node)] = (height, width)
    return found
