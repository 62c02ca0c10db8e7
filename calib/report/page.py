"""The web page: reads a report and the decisions behind its samples, gives HTML that needs nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from zaponnx.calib.report.chart_parts import unique
from zaponnx.calib.report.charts import BARS, PARTS, bar_name, charts, work_parts
from zaponnx.calib.report.contents import FORMS, Report
from zaponnx.calib.report.decisions import LayerDecisions, SampleDecisions
from zaponnx.calib.report.layer_table import layer_cards, layer_table, share
from zaponnx.calib.report.pictures import image_uri, map_uri
from zaponnx.packaging.reported import MARK

_MAPS = {"computed": (47, 111, 224), "skipped": (24, 140, 90), "wrongly skipped": (224, 68, 47)}
"""The maps of a sample, and their colors, which stand out on light and on dark."""

_FORM_COLORS = {"skips": "var(--computed)", "in full": "var(--full)", "dense": "var(--dense)"}


def page(report: Report, seen: Sequence[SampleDecisions]) -> str:
    """The whole page. What comes from files is escaped by Jinja, or by JSON and then set as text."""
    from jinja2 import Environment
    from markupsafe import Markup

    specifications = charts(report)
    layers = _chosen_layers(report)
    numbers = report.to_json()
    data = {
        "file": report.model.name,
        "frontier": numbers["frontier"],
        "curves": numbers["curves"],
        "layers": layers,
        "labels": unique(layers),
        "cards": layer_cards(report, layers),
        "charts": specifications,
        "pictures": {"aspect": _aspect(seen), "samples": [_sample(sample) for sample in seen]},
    }
    work = report.headline.work
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(_part("page.html"))
    return template.render(
        name=report.model.name,
        mark=MARK,
        report=report,
        headline=report.headline,
        saved=work.predicted if work.whole is None else work.whole,
        share=share,
        charts=specifications,
        table=layer_table(report.layers),
        parts=_parts(report),
        forms=_forms(report),
        tuned=any(layer.times is not None or layer.form == "in full" for layer in report.layers),
        bars={name: color for name, color in BARS.items() if name in _bars(report)},
        maps={name: f"rgb{color}" for name, color in _MAPS.items()},
        no_sigmoid=[curve.name for curve in report.curves.layers if curve.reason] if report.curves else [],
        dense=[layer for layer in report.layers if layer.form == "dense"],
        style=Markup(_part("page.css")),
        script=Markup(_part("page.js")),
        library=Markup(_library()),
        data=Markup(_embedded(data)),
    )


def _chosen_layers(report: Report) -> list[str]:
    """The layers that a reader can choose: the calibrated ones, else those that skip on the samples."""
    if report.frontier is not None:
        return list(report.frontier.layers)
    return [hits.layer for hits in report.samples[0].layers] if report.samples else []


def _parts(report: Report) -> dict[str, str]:
    """What the layers' MACs are made of, and the colors."""
    present = {part for layer in report.layers for part in work_parts(layer)}
    return {part: color for part, color in PARTS.items() if part in present}


def _forms(report: Report) -> list[dict[str, Any]]:
    """What the layers have become: for each form how many, its color, and what it means."""
    counts = Counter(layer.form for layer in report.layers)
    return [
        {"name": name, "layers": counts[name], "color": _FORM_COLORS[name], "explained": explained}
        for name, explained in FORMS.items()
        if counts[name]
    ]


def _bars(report: Report) -> set[str]:
    return {bar_name(layer, now) for layer in report.layers if layer.times for now in (False, True)}


def _aspect(seen: Sequence[SampleDecisions]) -> float:
    """Width by height of the samples."""
    shapes = [sample.image.shape[1:] for sample in seen if sample.image is not None]
    shapes += [layer.skipped.shape for sample in seen for layer in sample.layers]
    return shapes[0][1] / shapes[0][0] if shapes else 1.0


def _sample(sample: SampleDecisions) -> dict[str, Any]:
    return {
        "number": sample.number,
        "image": None if sample.image is None else image_uri(sample.image),
        "layers": [_pictured(layer) for layer in sample.layers],
    }


def _pictured(layer: LayerDecisions) -> dict[str, Any]:
    hits = layer.hits
    outputs = hits.pattern + hits.computed + hits.skipped + hits.wrong
    largest = float(layer.wrong.max())
    return {
        "name": hits.layer,
        "computed": map_uri(1 - layer.skipped, 1.0, _MAPS["computed"]),
        "skipped": map_uri(layer.skipped, 1.0, _MAPS["skipped"]),
        "wrong": map_uri(layer.wrong, largest, _MAPS["wrongly skipped"]),
        "outputs": outputs,
        "skipped_share": (hits.skipped + hits.wrong) / outputs,
        "wrong_share": hits.wrong / outputs,
        "lost": hits.lost,
        "largest": largest,
    }


def _embedded(data: Any) -> str:
    """JSON for a script element: no character of it can end the element or begin a comment."""
    text = json.dumps(data, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _part(name: str) -> str:
    return (files("zaponnx.calib.report") / name).read_text(encoding="utf-8")


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed, with their own code only."""
    import vl_convert

    bundle: Callable[..., str] = vl_convert.javascript_bundle
    return bundle().replace("</script", "<\\/script")
