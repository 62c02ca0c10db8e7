"""The report as Markdown: reads its numbers, gives text for a README, a model card or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from zaponnx.calib.report.contents import FORMS, Report
from zaponnx.calib.report.layer_table import layer_table, share

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")
_SHOWN_POINTS = 12


def markdown(report: Report) -> str:
    """The whole report without its pictures."""
    blocks = [
        f"# {escaped(report.model.name)}",
        f"{report.headline.sentence}.",
        *_headline(report),
        *_frontier(report),
        "## Layers",
        _forms(report),
        _layers(report),
        *_samples(report),
        *_dense(report),
        "## How this was made",
        *_facts(report),
        _fenced(report.commands),
        *_missing(report),
    ]
    return "\n\n".join(blocks) + "\n"


def escaped(text: str) -> str:
    """Text in which no character has a meaning in Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split())).replace("&", "&amp;")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _headline(report: Report) -> Iterator[str]:
    headline = report.headline
    work = headline.work
    rows = [
        ["MACs of all convolutions saved", share(work.whole)],
        ["net of the predictors", share(work.net)],
        ["MACs of the calibrated layers saved", share(work.predicted)],
    ]
    how = "measured by eval" if work.measured else "expected from calibration"
    yield _table(["work", how], [row for row in rows if row[1]])
    if found := headline.accuracy:
        data = f"{found.data} ({found.split})" if found.split else found.data
        rows = [
            ["top-1", share(found.dense_top1, 2), share(found.top1, 2)],
            ["top-5", share(found.dense_top5, 2), share(found.top5, 2)],
        ]
        yield _table([f"{found.samples} samples of {escaped(data)}", "dense", "converted"], rows)
    if headline.timings:
        rows = [
            [f"{run.threads}", f"{run.baseline_ms:.3f}", f"{run.model_ms:.3f}", run.spread] for run in headline.timings
        ]
        yield _table(["threads", f"{escaped(headline.baseline)} ms", "converted ms", "speed (quartiles)"], rows)
        yield escaped(headline.cpu)


def _frontier(report: Report) -> Iterator[str]:
    found = report.frontier
    if found is None:
        return
    yield "## Operating points"
    step = max(1, -(-len(found.points) // _SHOWN_POINTS))
    points = [*found.points[::step], *(found.points[-1:] if (len(found.points) - 1) % step else ())]
    rows = [[f"{point.epsilon:.3g}", f"{point.error:.3g}", share(point.mac_saved)] for point in points]
    chosen = found.chosen
    rows.append([f"{chosen.epsilon:.3g} (this model)", f"{chosen.error:.3g}", share(chosen.mac_saved)])
    yield _table(["epsilon", "error", "MACs saved"], rows)
    if found.evaluated:
        rows = [[each.model, each.data, share(each.mac_saved), share(each.top1, 2)] for each in found.evaluated]
        yield _table(["evaluated", "on", "MACs saved", "top-1"], rows)


def _forms(report: Report) -> str:
    counts = {form: sum(layer.form == form for layer in report.layers) for form in FORMS}
    return "\n".join(
        f"- **{form}** ({count} layer{'s' * (count > 1)}): {FORMS[form]}" for form, count in counts.items() if count
    )


def _layers(report: Report) -> str:
    table = layer_table(report.layers)
    return _table([column.title for column in table.columns], [[cell.text for cell in row] for row in table.rows])


def _samples(report: Report) -> Iterator[str]:
    if not report.samples:
        return
    yield "## Hits and misses"
    rows = []
    for sample in report.samples:
        for hits in sample.layers:
            outputs = hits.pattern + hits.computed + hits.skipped + hits.wrong
            shares = (hits.pattern, hits.computed, hits.skipped, hits.wrong)
            rows.append([str(sample.number), hits.layer, *(share(count / outputs, 2) for count in shares)])
    yield _table(
        ["sample", "layer", "in the pattern", "predicted not zero", "rightly skipped", "wrongly skipped"], rows
    )


def _dense(report: Report) -> Iterator[str]:
    dense = [layer for layer in report.layers if layer.form == "dense"]
    if dense:
        yield "## What stays dense"
        yield "\n".join(f"- **{escaped(layer.name)}** {escaped(layer.reason)}" for layer in dense)


def _facts(report: Report) -> Iterator[str]:
    for step, known in report.facts.items():
        yield f"### {step}"
        yield "\n".join(f"- {key}: {escaped(value)}" for key, value in known.items())


def _missing(report: Report) -> Iterator[str]:
    if report.missing:
        yield "## Not in this report"
        for item in report.missing:
            yield f"{item.what}; this gives it:"
            yield _fenced([item.command])


def _fenced(commands: Sequence[str]) -> str:
    """Commands as code; the fence is longer than any that they hold."""
    text = "\n".join(" ".join(command.split("\n")) for command in commands)
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, ticks + 1)
    return f"{fence}sh\n{text}\n{fence}"
