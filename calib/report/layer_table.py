"""The table of layers: reads a report's layers, gives columns that have values, as texts and as what to sort by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zaponnx.calib.report.contents import Layer, LayerCurves, Report
from zaponnx.tables import mega

_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class Cell:
    """A text and, for a number, what it is sorted by; else None."""

    text: str
    key: float | None


@dataclass(frozen=True)
class Column:
    """A column's title and what it means."""

    title: str
    explained: str


@dataclass(frozen=True)
class LayerTable:
    """Columns, and rows of a cell for each."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def share(value: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 in percent, with a sign that is no hyphen; "" if there is none."""
    return "" if value is None else f"{100 * value:.{digits}f}{_SPACE}%".replace("-", "−")


def layer_table(layers: Sequence[Layer]) -> LayerTable:
    """All layers; columns that no layer has a value for are left out."""
    numbers: list[tuple[str, str, Callable[[Layer], float | None], Callable[[float], str]]] = [
        ("MACs", "dense multiply-accumulates per sample", lambda layer: layer.macs, mega),
        ("saved", "share of its MACs skipped, measured by eval", lambda layer: layer.saved, share),
        ("net", "the same less its predictor's own MACs", lambda layer: layer.net_saved, share),
        (
            "saved (calib.)",
            "share of its MACs skipped, expected from calibration",
            lambda layer: layer.expected_saved,
            share,
        ),
        (
            "error",
            "share of its outputs' sum lost, expected from calibration",
            lambda layer: layer.expected_error,
            lambda value: share(value, 2),
        ),
        ("zeros", "share of its outputs outside the pattern that are zero", lambda layer: layer.zeros, share),
        (
            "ROC area",
            "how well its predictor tells zeros: 1 all of them, 0.5 by chance",
            lambda layer: layer.area,
            lambda value: f"{value:.3f}",
        ),
        (
            "dense ms",
            "time of its dense nodes, measured by tuning",
            lambda layer: layer.times.dense_ms if layer.times else None,
            lambda value: f"{value:.3f}",
        ),
        (
            "now ms",
            "time of what it is now, measured by tuning",
            lambda layer: layer.times.now_ms if layer.times else None,
            lambda value: f"{value:.3f}",
        ),
    ]
    shown = [entry for entry in numbers if any(entry[2](layer) is not None for layer in layers)]
    columns = [Column("layer", "the convolution's name"), Column("is", "what it does now")]
    rows = []
    for layer in layers:
        cells = [Cell(layer.name, None), Cell(layer.form, None)]
        for _, _, value, text in shown:
            found = value(layer)
            cells.append(Cell("" if found is None else text(found), -1.0 if found is None else float(found)))
        rows.append(tuple(cells))
    return LayerTable((*columns, *(Column(title, explained) for title, explained, _, _ in shown)), tuple(rows))


def layer_cards(report: Report, names: Sequence[str]) -> list[list[tuple[str, str]]]:
    """What is known of each of some layers, by their names, as terms and texts."""
    layers = {layer.name: layer for layer in report.layers}
    curves = {curve.name: curve for curve in report.curves.layers} if report.curves else {}
    return [list(_card(layers[name], curves.get(name))) if name in layers else [] for name in names]


def _card(layer: Layer, curves: LayerCurves | None) -> Iterator[tuple[str, str]]:
    yield (
        "now it",
        "computes all" if layer.form == "in full" else f"is {layer.form}" if layer.form == "dense" else layer.form,
    )
    if layer.macs is not None:
        yield "MACs", mega(layer.macs)
    if layer.thresholds:
        low, high = min(layer.thresholds), max(layer.thresholds)
        yield "thresholds", f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}".replace("-", "−")
    for term, value, digits in (
        ("saved, measured", layer.saved, 1),
        ("net of its predictor", layer.net_saved, 1),
        ("saved, expected", layer.expected_saved, 1),
        ("outputs' sum lost, expected", layer.expected_error, 2),
        ("zeros outside the pattern", layer.zeros, 1),
    ):
        if value is not None:
            yield term, share(value, digits)
    if layer.area is not None:
        yield "ROC area", f"{layer.area:.3f}"
    if layer.times is not None:
        times = layer.times
        yield "time", f"{times.dense_ms:.3f} → {times.now_ms:.3f} ms, the difference ± {times.noise_ms:.3f}"
    for kind, values in curves.coefficients.items() if curves else ():
        yield f"sigmoid of the {'MACs' if kind == 'macs' else kind}", _sigmoid(values)
    if curves and curves.reason:
        yield "no sigmoid", curves.reason


def _sigmoid(coefficients: Sequence[float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in zip("abcd", coefficients, strict=True)).replace("-", "−")
