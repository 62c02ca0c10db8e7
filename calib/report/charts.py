"""The report's charts: reads its numbers, gives Vega-Lite specifications, which the page draws in the reader's colors.

A chart's `layer` and `point` are parameters that the page sets: the layer that is looked at, and the operating point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zaponnx.calib.report.contents import Curves, Frontier, Layer, Report

Spec = dict[str, Any]

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
    },
    "legend": {"labelColor": "var(--ink)", "labelFontSize": 12, "orient": "top", "title": None, "columns": 1},
    "text": {"fill": "var(--ink)", "fontSize": 12},
}

PARTS = {
    "computed, in the pattern": "var(--pattern)",
    "computed, predicted not to be zero": "var(--computed)",
    "the predictor's own": "var(--predictor)",
    "saved": "var(--saved)",
    "computed, without prediction": "var(--dense)",
}
"""What becomes of a layer's MACs, and the page's colors for it."""

_IN_PATTERN, _NOT_ZERO, _PREDICTOR, _SAVED, _UNPREDICTED = PARTS
_AUTOSIZE = {"type": "fit-x", "contains": "padding"}
_HEIGHT = 240
_ROW = 20


def charts(report: Report) -> dict[str, Spec]:
    """The charts that there are numbers for, by their names."""
    names = unique(layer.name for layer in report.layers)
    found = {"work": _work(report.layers, names)}
    if any(layer.times for layer in report.layers):
        found["times"] = _times(report.layers, names)
    if report.frontier is not None:
        found["frontier"] = _frontier(report.frontier)
        if report.frontier.chosen.layer_saved:
            found |= {"effects": _effects(report.frontier), "trade": _trade(report.frontier)}
        if len(report.frontier.evaluated) > 1:
            found["accuracy"] = _accuracy(report.frontier)
    if report.curves is not None:
        thresholds = _thresholds(report.curves, report.layers)
        found["error"] = _curve(report.curves, "error", "share of the outputs' sum lost", thresholds)
        found["macs"] = _curve(report.curves, "macs", "share of the MACs computed", thresholds)
    return {
        name: {"config": _CONFIG, "width": "container", "autosize": _AUTOSIZE, **spec} for name, spec in found.items()
    }


def unique(names: Iterable[str]) -> list[str]:
    """Layers' names, each once: a chart has a row for each."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = number = seen.get(name, 0) + 1
        found.append(name if number == 1 else f"{name} ({number})")
    return found


def work_parts(layer: Layer) -> dict[str, float]:
    """A layer's MACs by what becomes of them; empty where its size or what it skips is not known.

    The first three are what it costs now; what is saved is net, and missing where the predictor costs more.
    """
    if layer.macs is None:
        return {}
    if layer.form != "skips":
        return {_UNPREDICTED: layer.macs}
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


def _work(layers: Sequence[Layer], names: Sequence[str]) -> Spec:
    order = list(PARTS)
    rows = [
        {"layer": name, "part": part, "order": order.index(part), "macs": macs, "share": macs / (layer.macs or 1)}
        for layer, name in zip(layers, names, strict=True)
        for part, macs in work_parts(layer).items()
    ]
    return {
        "data": {"values": rows},
        "height": _ROW * len(names),
        "mark": {"type": "bar", "height": {"band": 0.72}},
        "encoding": {
            "y": _rows_axis(names),
            "x": {"field": "macs", "type": "quantitative", "title": "MACs per sample", "axis": {"format": "~s"}},
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
        {"layer": name, "model": model, "ms": ms, "noise": layer.times.noise_ms, "form": layer.form}
        for layer, name in zip(layers, names, strict=True)
        if layer.times
        for model, ms in (("dense", layer.times.dense_ms), ("now", layer.times.now_ms))
    ]
    return {
        "data": {"values": rows},
        "height": (_ROW + 4) * len(rows) / 2,
        "mark": {"type": "bar"},
        "encoding": {
            "y": _rows_axis([name for layer, name in zip(layers, names, strict=True) if layer.times]),
            "yOffset": {"field": "model", "sort": ["dense", "now"]},
            "x": {"field": "ms", "type": "quantitative", "title": "milliseconds"},
            "color": {
                "field": "model",
                "type": "nominal",
                "scale": {"domain": ["dense", "now"], "range": ["var(--dense)", "var(--accent)"]},
                "legend": None,
            },
            "tooltip": [
                {"field": "layer"},
                {"field": "form", "title": "now it"},
                {"field": "model"},
                {"field": "ms", "format": ".3f", "title": "milliseconds"},
                {"field": "noise", "format": ".3f", "title": "difference known to ±"},
            ],
        },
    }


def _frontier(found: Frontier) -> Spec:
    rows = [
        {"index": index, "saved": point.mac_saved, "error": point.error, "epsilon": point.epsilon}
        for index, point in enumerate(found.points)
    ]
    chosen = {"saved": found.chosen.mac_saved, "error": found.chosen.error, "epsilon": found.chosen.epsilon}
    tooltip = [
        {"field": "epsilon", "format": ".3~g", "title": "ε"},
        {"field": "error", "format": ".3~g", "title": "error"},
        {"field": "saved", "format": ".1%", "title": "MACs saved"},
    ]
    chosen_data = {"data": {"values": [chosen | {"label": "this model"}]}}
    moving = {"transform": [{"filter": "datum.index === point"}]}
    return {
        "params": [{"name": "point", "value": 0}],
        "data": {"values": rows},
        "height": _HEIGHT,
        "encoding": {
            "x": _share_axis("saved", "MACs of the calibrated layers saved"),
            "y": {"field": "error", "type": "quantitative", "title": "error in calibration"},
        },
        "layer": [
            {"mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 2}},
            {"mark": {"type": "point", "opacity": 0, "size": 160, "filled": True}, "encoding": {"tooltip": tooltip}},
            {
                **moving,
                "mark": {"type": "rule", "color": "var(--muted)", "strokeDash": [3, 3]},
                "encoding": {"y": None},
            },
            {**moving, "mark": {"type": "point", "filled": True, "size": 70, "color": "var(--muted)", "opacity": 1}},
            {
                **chosen_data,
                "mark": {"type": "point", "filled": True, "size": 110, "color": "var(--mark)", "opacity": 1},
                "encoding": {"tooltip": tooltip},
            },
            {
                **chosen_data,
                "mark": {"type": "text", "align": "right", "dx": -9, "dy": -8, "fontWeight": "bold"},
                "encoding": {"text": {"field": "label"}},
            },
        ],
    }


def _accuracy(found: Frontier) -> Spec:
    rows = [
        {"model": each.model, "data": each.data, "saved": each.mac_saved, "top1": each.top1, "this": each.this}
        for each in found.evaluated
    ]
    tooltip = [
        {"field": "model"},
        {"field": "data"},
        {"field": "top1", "format": ".2%", "title": "top-1"},
        {"field": "saved", "format": ".1%", "title": "MACs saved"},
    ]
    this = {"transform": [{"filter": "datum.this"}]}
    several = len({each.data for each in found.evaluated}) > 1
    dash: Spec = {"strokeDash": {"field": "data", "type": "nominal"}} if several else {}
    return {
        "data": {"values": rows},
        "height": _HEIGHT,
        "encoding": {
            "x": _share_axis("saved", "MACs of the calibrated layers saved, measured"),
            "y": {
                "field": "top1",
                "type": "quantitative",
                "title": "top-1",
                "scale": {"zero": False, "nice": True},
                "axis": {"format": ".1~%"},
            },
        },
        "layer": [
            {
                "mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 1.5},
                "encoding": {**dash, "detail": {"field": "data"}, "order": {"field": "saved"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "color": "var(--accent)", "opacity": 1},
                "encoding": {"tooltip": tooltip},
            },
            {
                **this,
                "mark": {"type": "point", "filled": True, "size": 110, "color": "var(--mark)", "opacity": 1},
                "encoding": {"tooltip": tooltip},
            },
            {
                **this,
                "mark": {"type": "text", "align": "right", "dx": -9, "dy": 12, "fontWeight": "bold"},
                "encoding": {"text": {"value": "this model"}},
            },
        ],
    }


def _effects(found: Frontier) -> Spec:
    """Bars of what each calibrated layer saves at a point, first at the model's own; the page changes the data."""
    chosen = zip(unique(found.layers), found.chosen.layer_saved, found.chosen.layer_error, strict=True)
    rows = [{"layer": layer, "saved": saved, "error": error, "now": saved} for layer, saved, error in chosen]
    tooltip = [
        {"field": "layer"},
        {"field": "saved", "format": ".1%", "title": "MACs saved"},
        {"field": "error", "format": ".2%", "title": "outputs' sum lost"},
        {"field": "now", "format": ".1%", "title": "MACs saved in this model"},
    ]
    return {
        "data": {"name": "effects", "values": rows},
        "height": _ROW * len(rows),
        "encoding": {"y": {"field": "layer", "type": "ordinal", "sort": None, "title": None}},
        "layer": [
            {
                "mark": {"type": "bar", "color": "var(--saved)", "height": {"band": 0.72}},
                "encoding": {
                    "x": {
                        "field": "saved",
                        "type": "quantitative",
                        "title": "share of the layer's MACs saved, expected",
                        "axis": {"format": ".0%", "tickCount": 5},
                        "scale": {"domain": [0, 1], "nice": False},
                    },
                    "tooltip": tooltip,
                },
            },
            {
                "mark": {"type": "tick", "color": "var(--mark)", "thickness": 2, "height": {"band": 0.9}},
                "encoding": {"x": {"field": "now", "type": "quantitative"}, "tooltip": tooltip},
            },
        ],
    }


def _trade(found: Frontier) -> Spec:
    """A layer's error and saving along the points; the page makes the data of the frontier's numbers."""
    chosen = zip(unique(found.layers), found.chosen.layer_saved, found.chosen.layer_error, strict=True)
    dots = [{"i": i, "layer": layer, "saved": saved, "error": error} for i, (layer, saved, error) in enumerate(chosen)]
    tooltip = [
        {"field": "layer"},
        {"field": "saved", "format": ".1%", "title": "MACs saved"},
        {"field": "error", "format": ".2%", "title": "outputs' sum lost"},
    ]
    return {
        "params": [{"name": "layer", "value": 0}],
        "data": {"name": "trade"},
        "height": _HEIGHT,
        "encoding": {
            "x": _share_axis("saved", "share of the layer's MACs saved"),
            "y": _share_axis("error", "share of the outputs' sum lost"),
        },
        "layer": [
            *_all_and_one({"tooltip": tooltip}),
            {
                "data": {"values": dots},
                "transform": [{"filter": "datum.i === layer"}],
                "mark": {"type": "point", "filled": True, "size": 110, "color": "var(--mark)", "opacity": 1},
                "encoding": {"tooltip": tooltip},
            },
        ],
    }


def _curve(curves: Curves, kind: str, title: str, thresholds: Sequence[Mapping[str, Any]]) -> Spec:
    """Error or MACs against the threshold; the page makes the data of the curves' numbers."""
    tooltip = [
        {"field": "layer"},
        {"field": "t", "title": "threshold", "format": ".3~f"},
        {"field": kind, "format": ".2%", "title": "measured"},
        {"field": f"fitted_{kind}", "format": ".2%", "title": "sigmoid"},
    ]
    x = {
        "field": "t",
        "type": "quantitative",
        "title": "threshold of the predicted value",
        "scale": {"domain": [curves.thresholds[0], curves.thresholds[-1]], "nice": False},
    }
    return {
        "params": [{"name": "layer", "value": 0}],
        "data": {"name": "curves"},
        "height": _HEIGHT,
        "encoding": {"x": x, "y": _share_axis(kind, title)},
        "layer": [
            *_all_and_one({"tooltip": tooltip}),
            {
                "transform": [{"filter": f"datum.i === layer && isValid(datum.fitted_{kind})"}],
                "mark": {"type": "line", "color": "var(--mark)", "strokeDash": [5, 4], "strokeWidth": 1.5},
                "encoding": {"y": {"field": f"fitted_{kind}", "type": "quantitative"}},
            },
            {
                "data": {"values": list(thresholds)},
                "transform": [{"filter": "datum.i === layer"}],
                "mark": {"type": "rule", "color": "var(--mark)", "opacity": 0.45, "strokeWidth": 1.5},
                "encoding": {
                    "y": {"value": _HEIGHT},
                    "y2": {"value": _HEIGHT - 14},
                    "tooltip": {"field": "t", "title": "a threshold of this model", "format": ".3f"},
                },
            },
        ],
    }


def _all_and_one(encoding: Spec) -> list[Spec]:
    """All layers' lines, faint, and that of the layer that is looked at."""
    return [
        {
            "mark": {"type": "line", "color": "var(--faint)", "strokeWidth": 1},
            "encoding": {"detail": {"field": "i"}},
        },
        {
            "transform": [{"filter": "datum.i === layer"}],
            "mark": {"type": "line", "color": "var(--accent)", "strokeWidth": 2.5},
        },
        {
            "transform": [{"filter": "datum.i === layer"}],
            "mark": {"type": "point", "opacity": 0, "size": 200, "filled": True},
            "encoding": encoding,
        },
    ]


def _thresholds(curves: Curves, layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """The model's own thresholds by the curves' layers; those beyond the curves' range at its ends."""
    by_name = {layer.name: layer.thresholds for layer in layers if layer.form == "skips"}
    low, high = curves.thresholds[0], curves.thresholds[-1]
    return [
        {"i": index, "t": min(max(threshold, low), high)}
        for index, layer in enumerate(curves.layers)
        for threshold in sorted({round(threshold, 3) for threshold in by_name.get(layer.name, ())})
        if math.isfinite(threshold)
    ]


def _rows_axis(names: Sequence[str]) -> Spec:
    return {"field": "layer", "type": "ordinal", "sort": list(names), "scale": {"domain": list(names)}, "title": None}


def _share_axis(field: str, title: str) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, "axis": {"format": ".0%", "tickCount": 6}}
