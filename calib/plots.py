"""Figures in the manner of the paper's: reads a calibration's curves and rates and a fit, writes PNGs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zaponnx.artifacts import MAGNITUDES, Calibration, Fit
from zaponnx.calib.analysis import SiteAnalysis
from zaponnx.calib.curves import Curve, layer_curve
from zaponnx.calib.sigmoid import SmoothCurve, smooth_curve
from zaponnx.errors import InvalidArgument
from zaponnx.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RANGE = np.linspace(-1.3, 1.3, 521)
_EXPONENTS = np.arange(MAGNITUDES - 1) - 16
_MARKED_EPSILONS = (0.1, 0.3, 1.0, 2.0)


def plot_curves(calibration: Calibration, fit: Fit, directory: Path) -> list[Path]:
    """Draws each layer's error and MACs against its threshold, and the network's error against the MACs saved.

    Measured curves are solid; the sigmoids through them are dashed, and missing where none fits.

    Args:
        calibration: Gives the measured curves.
        fit: Gives the operating points.
        directory: Where to write error.png, macs.png and frontier.png.

    Returns:
        The files, in this order.

    Raises:
        InvalidArgument: The directory does not exist.
    """
    if not directory.is_dir():
        raise InvalidArgument("plot", f"there is no directory '{directory}'")
    curves = [layer_curve(site, calibration.edges) for site in calibration.sites]
    smooth = [smooth_curve(curve) for curve in curves]
    return save_figures(curve_figures(curves, smooth) | {"frontier.png": _frontier_figure(fit)}, directory, "plot")


def save_figures(figures: Mapping[str, Figure], directory: Path, phase: str) -> list[Path]:
    """Writes figures as PNGs of these names, on behalf of a phase."""
    for name, figure in figures.items():
        with atomic_path(directory / name, phase) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight")
    return [directory / name for name in figures]


def curve_figures(curves: Sequence[Curve], smooth: Sequence[SmoothCurve]) -> dict[str, Figure]:
    """Each layer's error and MACs against its threshold, with the sigmoids."""
    return {"error.png": _error_figure(curves, smooth), "macs.png": _macs_figure(curves, smooth)}


def rate_figures(sites: Sequence[SiteAnalysis]) -> dict[str, Figure]:
    """The predictors' ROC curves, and the missed outputs by their value where 1 % of a layer's sum is lost."""
    return {"roc.png": _roc_figure(sites), "missed.png": _missed_figure(sites)}


def _error_figure(curves: Sequence[Curve], smooth: Sequence[SmoothCurve]) -> Figure:
    figure, axes = _axes(
        "Error of each layer alone",
        "Threshold of the predicted value",
        "Error: share of the outputs' sum that is lost (%)",
    )
    for curve, fitted, color in zip(curves, smooth, _colors(len(curves)), strict=True):
        measured = [100 * curve.at(threshold)[0] for threshold in _RANGE]
        axes.plot(_RANGE, measured, color=color, label=curve.name)
        if fitted.coefficients:
            axes.plot(_RANGE, 100 * fitted.error.value(_RANGE), color=color, linestyle="--", linewidth=1)
    _legend(axes)
    return figure


def _macs_figure(curves: Sequence[Curve], smooth: Sequence[SmoothCurve]) -> Figure:
    figure, axes = _axes("MACs of each layer", "Threshold of the predicted value", "MACs computed (% of the layer's)")
    for curve, fitted, color in zip(curves, smooth, _colors(len(curves)), strict=True):
        measured = [100 - 100 * curve.at(threshold)[1] / curve.macs for threshold in _RANGE]
        axes.plot(_RANGE, measured, color=color, label=curve.name)
        if fitted.coefficients:
            axes.plot(_RANGE, 100 * fitted.macs.value(_RANGE) / curve.macs, color=color, linestyle="--", linewidth=1)
    _legend(axes)
    return figure


def _frontier_figure(fit: Fit) -> Figure:
    figure, axes = _axes(
        f"Operating points ({fit.method})",
        "MACs saved (% of the layers')",
        "Error summed over the layers (1: all outputs of one lost)",
    )
    saved = [100 * point.mac_saved for point in fit.points]
    axes.plot(saved, [point.error for point in fit.points], color="C0", marker=".", markersize=3, linewidth=1)
    for epsilon in _MARKED_EPSILONS:
        point = max((point for point in fit.points if point.epsilon <= epsilon), key=lambda point: point.epsilon)
        place = (100 * point.mac_saved, point.error)
        axes.plot(*place, color="C3", marker="o", linestyle="none")
        axes.annotate(f"ε = {epsilon:g}", place, xytext=(-8, 4), textcoords="offset points", ha="right")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    return figure


def _roc_figure(sites: Sequence[SiteAnalysis]) -> Figure:
    figure, axes = _axes(
        "ROC of each layer's predictor",
        "False zeros: share of the positive outputs predicted zero (%)",
        "True zeros: share of the zeros predicted zero (%)",
    )
    for site, color in zip(sites, _colors(len(sites)), strict=True):
        label = f"{site.name} ({site.area:.3f})"
        axes.plot(100 * site.false_zeros, 100 * site.true_zeros, color=color, linewidth=1, label=label)
    axes.plot([0, 100], [0, 100], color="gray", linestyle="--", linewidth=1, label="by chance (0.5)")
    _names(axes)
    return figure


def _missed_figure(sites: Sequence[SiteAnalysis]) -> Figure:
    figure, axes = _axes(
        "Missed outputs, thresholds at which 1 % of each layer's sum is lost",
        "Value: power of two, rounded down",
        "Share of the layer's missed outputs (%)",
    )
    for site, color in zip(sites, _colors(len(sites)), strict=True):
        missed = site.missed[site.shown]
        axes.plot(_EXPONENTS, 100 * missed / max(missed.sum(), 1), color=color, marker=".", label=site.name)
    _names(axes)
    return figure


def _axes(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """An empty figure that no window system is needed for."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _colors(count: int) -> list[tuple[float, float, float, float]]:
    """One color per layer, from the network's first (dark) to its last (light)."""
    from matplotlib import colormaps

    return [tuple(color) for color in colormaps["viridis"](np.linspace(0, 0.9, count))]


def _legend(axes: Axes) -> None:
    """The layers' names beside the axes, and what solid and dashed mean."""
    axes.plot([], [], color="gray", label="measured")
    axes.plot([], [], color="gray", linestyle="--", linewidth=1, label="sigmoid fit")
    axes.set_xlim(_RANGE[0], _RANGE[-1])
    _names(axes)


def _names(axes: Axes) -> None:
    """The layers' names beside the axes."""
    columns = 1 + len(axes.get_legend_handles_labels()[1]) // 24
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize="small", ncols=columns)
