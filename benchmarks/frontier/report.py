"""Writes frontiers as JSON, as a Markdown table with the savings where DROP is lost, and as a plot."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.environment import Environment
from benchmarks.frontier.measuring import DROP, Frontier
from benchmarks.frontier.methods import METHODS, PLAIN, Finetuning
from zaponnx.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "frontier"
_PHASE = "frontier"
_FINETUNINGS: dict[Finetuning | None, str] = {None: "no", "published": "as published", "default": "by default"}
_LINES: dict[Finetuning | None, str] = {None: "-", "published": ":", "default": "--"}


def write_report(
    frontiers: Sequence[Frontier], titles: Mapping[str, str], found: Environment, directory: Path
) -> list[Path]:
    """Writes frontier.json, frontier.md and frontier.png.

    Args:
        frontiers: What was measured.
        titles: Network → what it is.
        found: On what, and when.
        directory: Where to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{NAME}{suffix}" for suffix in (".json", ".md", ".png")]
    measured = [asdict(frontier) | {"saving": frontier.saving} for frontier in frontiers]
    results = {"environment": asdict(found), "drop": DROP, "frontiers": measured}
    texts = [json.dumps(results, indent=1), markdown(frontiers, titles, found)]
    for path, text in zip(paths[:2], texts, strict=True):
        with atomic_path(path, _PHASE) as temporary:
            temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    _plot(frontiers, titles, paths[-1])
    return paths


def markdown(frontiers: Sequence[Frontier], titles: Mapping[str, str], found: Environment) -> str:
    """The report for people."""
    lines = [
        "# Frontiers",
        f"Share of the predicted layers' MACs that is saved where {DROP:.0%} of top-1 is lost on test images, or the "
        "most that the method's thresholds save if that loses less: the mean "
        "over the seeds, the standard deviation, and the smallest and the largest. × plain: by what the paper's method "
        "saves with the same seed, not fine-tuned, and with that of its patterns that saves more; likewise, and how "
        "many percentage points of the MACs it saves more, in the mean. × plain, "
        "tuned: where that is fine-tuned, too, with those patterns for which it was. A seed is that of the predictors, "
        "and of the images for calibration and test.",
        f"{', '.join(f'{name} {version}' for name, version in found.versions.items())}.",
        f"`{found.command}`, {found.date}, commit {found.commit}; what the cache had may be from earlier ones.",
        f"![Top-1 against MACs saved]({NAME}.png)",
    ]
    for network, title in titles.items():
        of_network = [frontier for frontier in frontiers if frontier.network == network]
        if of_network:
            dense = statistics.fmean(frontier.dense for frontier in of_network)
            lines += [
                f"## {title[0].upper()}{title[1:]}",
                f"Top-1 of the dense network: {dense:.1%}.",
                _table(of_network),
            ]
    return "\n\n".join(lines) + "\n"


def _table(frontiers: Sequence[Frontier]) -> str:
    """A row per method and way to fine-tune."""
    rows = [
        "| method | fine-tuned | seeds | saved | × plain | × plain, tuned as published | × plain, tuned by default |",
        "| --- | --- | --: | --: | --: | --: | --: |",
    ]
    for finetuning, title in _FINETUNINGS.items():
        for name, method in METHODS.items():
            savings = _by_seed(frontiers, name, finetuning)
            if savings:
                cells = [
                    method.title,
                    title,
                    str(len(savings)),
                    _spread([100 * saving for saving in savings.values()], " %", 1),
                    *(_beside(savings, frontiers, other) if finetuning or not other else "" for other in _FINETUNINGS),
                ]
                rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _beside(savings: Mapping[int, float], frontiers: Sequence[Frontier], finetuning: Finetuning | None) -> str:
    """Savings by those of the paper's better pattern, for the seeds for which it was measured, and points more."""
    found = [_by_seed(frontiers, name, finetuning) for name in PLAIN]
    plain = {seed: max(each.get(seed, 0) for each in found) for each in found for seed in each}
    pairs = [(saving, plain[seed]) for seed, saving in savings.items() if plain.get(seed)]
    if not pairs:
        return ""
    more = statistics.fmean(100 * (saving - other) for saving, other in pairs)
    return f"{_spread([saving / other for saving, other in pairs], '', 2)}, {more:+.1f}"


def _by_seed(frontiers: Sequence[Frontier], method: str, finetuning: Finetuning | None) -> dict[int, float]:
    """Seed → saving."""
    return {
        frontier.seed: frontier.saving
        for frontier in frontiers
        if frontier.method == method and frontier.finetuning == finetuning
    }


def _spread(values: Sequence[float], unit: str, digits: int) -> str:
    """Mean, standard deviation and range."""
    if len(values) < 2:
        return "".join(f"{value:.{digits}f}{unit}" for value in values)
    numbers = (statistics.fmean(values), statistics.stdev(values), min(values), max(values))
    mean, deviation, least, most = (f"{number:.{digits}f}" for number in numbers)
    return f"{mean}{unit} ± {deviation} ({least} to {most})"


def _plot(frontiers: Sequence[Frontier], titles: Mapping[str, str], path: Path) -> None:
    """Axes per network; a line per seed, a colour per method, dotted and dashed with fine-tuning."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    networks = [name for name in titles if any(frontier.network == name for frontier in frontiers)]
    figure = Figure(figsize=(7 * len(networks), 5))
    FigureCanvasAgg(figure)
    for axes, network in zip(figure.subplots(1, len(networks), squeeze=False)[0], networks, strict=True):
        _draw(axes, [frontier for frontier in frontiers if frontier.network == network], titles[network])
    with atomic_path(path, _PHASE) as temporary:
        figure.savefig(temporary, format="png", dpi=110, bbox_inches="tight")


def _draw(axes: Axes, frontiers: Sequence[Frontier], title: str) -> None:
    colors = {name: f"C{index}" for index, name in enumerate(METHODS)}
    labelled: set[str] = set()
    for frontier in frontiers:
        label = METHODS[frontier.method].title
        if frontier.finetuning:
            label += f", fine-tuned {_FINETUNINGS[frontier.finetuning]}"
        axes.plot(
            [100 * point.saved for point in frontier.points],
            [-100 * lost for lost in frontier.lost],
            color=colors[frontier.method],
            linestyle=_LINES[frontier.finetuning],
            linewidth=1,
            marker=".",
            markersize=3,
            label=None if label in labelled else label,
        )
        labelled.add(label)
    axes.axhline(-100 * DROP, color="gray", linewidth=0.8)
    axes.set(title=title, xlabel="MACs saved (% of the predicted layers')", ylabel="Change of top-1 (points)")
    axes.set_ylim(-600 * DROP, 150 * DROP)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, -0.12))
