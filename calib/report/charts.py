"""The report's charts: reads its numbers, gives Vega-Lite specifications, which the page draws in the reader's colors.

A chart's `layer` and `point` are parameters that the page sets: the layer that is looked at, and the operating point.
"""

from __future__ import annotations

from collections.abc import Sequence

from zaponnx.calib.report.chart_parts import ROW, Spec, unique
from zaponnx.calib.report.contents import Layer, Report
from zaponnx.calib.report.curve_charts import curve_chart, threshold_marks, trade_chart
from zaponnx.calib.report.point_charts import accuracy_chart, effects_chart, frontier_chart

_CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 130,
        "labelSeparation": 8,
    },
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "orient": "top", "title": None, "columns": 1},
    "text": {"fill": "var(--ink)", "fontSize": 12},
}

PARTS = {
    "computed, in the pattern": "var(--pattern)",
    "computed, predicted not to be zero": "var(--computed)",
    "the predictor's own": "var(--predictor)",
    "saved": "var(--saved)",
    "computed in full, by Winograd's": "var(--full)",
    "computed, without prediction": "var(--dense)",
}
"""What becomes of a layer's MACs, and the page's colors for it."""

_IN_PATTERN, _NOT_ZERO, _PREDICTOR, _SAVED, _IN_FULL, _UNPREDICTED = PARTS

BARS = {
    "before": "var(--dense)",
    "now, skips": "var(--computed)",
    "now, in full": "var(--full)",
    "now, dense": "var(--faint)",
}
"""A layer's times, and the page's colors for them."""

_AUTOSIZE = {"type": "fit-x", "contains": "padding"}


def charts(report: Report) -> dict[str, Spec]:
    """The charts that there are numbers for, by their names."""
    names = unique(layer.name for layer in report.layers)
    found = {"work": _work(report.layers, names)}
    if any(layer.times for layer in report.layers):
        found["times"] = _times(report.layers, names)
    if report.frontier is not None:
        found["frontier"] = frontier_chart(report.frontier)
        if report.frontier.chosen.layer_saved:
            found |= {"effects": effects_chart(report.frontier), "trade": trade_chart(report.frontier)}
        if len(report.frontier.evaluated) > 1:
            found["accuracy"] = accuracy_chart(report.frontier)
    if report.curves is not None:
        thresholds = threshold_marks(report.curves, report.layers)
        found["error"] = curve_chart(report.curves, "error", "share of the outputs' sum lost", thresholds)
        found["macs"] = curve_chart(report.curves, "macs", "share of the MACs computed", thresholds)
    return {
        name: {"config": _CONFIG, "width": "container", "autosize": _AUTOSIZE, **spec} for name, spec in found.items()
    }


def work_parts(layer: Layer) -> dict[str, float]:
    """A layer's MACs by what becomes of them; empty where its size or what it skips is not known.

    The first three are what it costs now; what is saved is net, and missing where the predictor costs more.
    """
    if layer.macs is None:
        return {}
    if layer.form != "skips":
        return {_IN_FULL if layer.form == "in full" else _UNPREDICTED: layer.macs}
    if layer.skipped is None or layer.pattern is None:
        return {}
    pattern = min(layer.pattern, 1 - layer.skipped)  # of a tile that does not fit the map, where that is not known
    predictor = layer.predictor_macs or 0.0
    parts = {
        _IN_PATTERN: pattern * layer.macs,
        _NOT_ZERO: (1 - layer.skipped - pattern) * layer.macs,
        _PREDICTOR: predictor,
        _SAVED: layer.skipped * layer.macs - predictor,
    }
    return {name: value for name, value in parts.items() if value > 0}


def bar_name(layer: Layer, now: bool) -> str:
    """Which of BARS a layer's time before, or now, is."""
    return f"now, {layer.form}" if now else "before"


def _work(layers: Sequence[Layer], names: Sequence[str]) -> Spec:
    order = list(PARTS)
    rows = [
        {"layer": name, "part": part, "order": order.index(part), "macs": macs, "share": macs / (layer.macs or 1)}
        for layer, name in zip(layers, names, strict=True)
        for part, macs in work_parts(layer).items()
    ]
    return {
        "data": {"values": rows},
        "height": ROW * len(names),
        "mark": {"type": "bar", "height": {"band": 0.72}},
        "encoding": {
            "y": _rows_axis(names),
            "x": {
                "field": "macs",
                "type": "quantitative",
                "title": "MACs per sample",
                "axis": {"format": "~s", "tickCount": 6},
            },
            "color": {
                "field": "part",
                "type": "nominal",
                "scale": {"domain": order, "range": list(PARTS.values())},
                "legend": None,
            },
            "order": {"field": "order", "type": "quantitative"},
            "tooltip": [
                {"field": "layer", "title": "layer"},
                {"field": "part", "title": "MACs"},
                {"field": "macs", "title": "number", "format": ".4~s"},
                {"field": "share", "title": "share", "format": ".1%"},
            ],
        },
    }


def _times(layers: Sequence[Layer], names: Sequence[str]) -> Spec:
    rows = [
        {"layer": name, "model": int(now), "bar": bar_name(layer, now), "ms": ms, "noise": layer.times.noise_ms}
        for layer, name in zip(layers, names, strict=True)
        if layer.times
        for now, ms in ((False, layer.times.dense_ms), (True, layer.times.now_ms))
    ]
    return {
        "data": {"values": rows},
        "height": (ROW + 4) * len(rows) / 2,
        "mark": {"type": "bar"},
        "encoding": {
            "y": _rows_axis([name for layer, name in zip(layers, names, strict=True) if layer.times]),
            "yOffset": {"field": "model", "type": "ordinal"},
            "x": {"field": "ms", "type": "quantitative", "title": "milliseconds", "axis": {"tickCount": 6}},
            "color": {
                "field": "bar",
                "type": "nominal",
                "scale": {"domain": list(BARS), "range": list(BARS.values())},
                "legend": None,
            },
            "tooltip": [
                {"field": "layer"},
                {"field": "bar", "title": "time"},
                {"field": "ms", "format": ".3f", "title": "milliseconds"},
                {"field": "noise", "format": ".3f", "title": "difference known to ±"},
            ],
        },
    }


def _rows_axis(names: Sequence[str]) -> Spec:
    return {"field": "layer", "type": "ordinal", "sort": list(names), "scale": {"domain": list(names)}, "title": None}
