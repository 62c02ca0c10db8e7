"""Charts of one layer among all: reads curves or operating points, gives Vega-Lite; the page makes the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zaponnx.calib.report.chart_parts import HEIGHT, Spec, share_axis, unique
from zaponnx.calib.report.contents import Curves, Frontier, Layer


def trade_chart(found: Frontier) -> Spec:
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
        "height": HEIGHT,
        "encoding": {
            "x": share_axis("saved", "share of the layer's MACs saved"),
            "y": share_axis("error", "share of the outputs' sum lost"),
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


def curve_chart(curves: Curves, kind: str, title: str, thresholds: Sequence[Mapping[str, Any]]) -> Spec:
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
        "height": HEIGHT,
        "encoding": {"x": x, "y": share_axis(kind, title)},
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
                    "y": {"value": HEIGHT},
                    "y2": {"value": HEIGHT - 14},
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


def threshold_marks(curves: Curves, layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """The model's own thresholds by the curves' layers; those beyond the curves' range at its ends."""
    by_name = {layer.name: layer.thresholds for layer in layers if layer.form == "skips"}
    low, high = curves.thresholds[0], curves.thresholds[-1]
    return [
        {"i": index, "t": min(max(threshold, low), high)}
        for index, layer in enumerate(curves.layers)
        for threshold in sorted({round(threshold, 3) for threshold in by_name.get(layer.name, ())})
        if math.isfinite(threshold)
    ]
