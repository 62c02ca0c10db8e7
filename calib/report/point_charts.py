"""Charts of operating points: reads the frontier, gives Vega-Lite."""

from __future__ import annotations

from zaponnx.calib.report.chart_parts import HEIGHT, ROW, Spec, share_axis, unique
from zaponnx.calib.report.contents import Frontier


def frontier_chart(found: Frontier) -> Spec:
    """Error against the MACs saved, at all points; the page sets `point`, the one that is looked at."""
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
        "height": HEIGHT,
        "encoding": {
            "x": share_axis("saved", "MACs of the calibrated layers saved"),
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


def accuracy_chart(found: Frontier) -> Spec:
    """Top-1 against the MACs saved, of the models that were evaluated."""
    rows = [
        {
            **{"model": each.model, "data": each.data, "saved": each.mac_saved, "top1": each.top1, "this": each.this},
            # On the data that were given first; those of others are near, and labels would lie on one another.
            "labelled": each.this and each.data == found.evaluated[0].data,
        }
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
        "height": HEIGHT,
        "encoding": {
            "x": share_axis("saved", "MACs of the calibrated layers saved, measured"),
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
                "transform": [{"filter": "datum.labelled"}],
                "mark": {"type": "text", "align": "right", "dx": -9, "dy": 12, "fontWeight": "bold"},
                "encoding": {"text": {"value": "this model"}},
            },
        ],
    }


def effects_chart(found: Frontier) -> Spec:
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
        "height": ROW * len(rows),
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
