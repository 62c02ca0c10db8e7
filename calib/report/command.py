"""report: reads a converted model, artifacts and results, writes a page, or the same numbers as Markdown."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from zaponnx.calib.analysis import Analysis, analysis
from zaponnx.calib.report.commands import Given, commands, missing
from zaponnx.calib.report.contents import Curves, Report, Sample
from zaponnx.calib.report.decisions import decisions
from zaponnx.calib.report.facts import facts
from zaponnx.calib.report.frontier import frontier, work
from zaponnx.calib.report.headline import Accuracy, Headline
from zaponnx.calib.report.layer_curves import layer_curves
from zaponnx.calib.report.layers import all_layers, skipping_thresholds
from zaponnx.calib.report.markdown import markdown
from zaponnx.calib.report.page import page
from zaponnx.calib.report.sources import Sources, read_sources
from zaponnx.errors import InvalidArgument, on_behalf_of
from zaponnx.files import atomic_path, check_output, files_of_data
from zaponnx.models import external_files
from zaponnx.progress import Progress, silent

_FORMATS = (".html", ".md")


@on_behalf_of("report")
def report(
    model: Path | str,
    output: Path | str,
    *,
    calibration: Path | str | None = None,
    fit: Path | str | None = None,
    eval: Sequence[Path | str] = (),
    bench: Path | str | None = None,
    convert: Path | str | None = None,
    data: str | None = None,
    samples: int = 4,
    preprocess: str | None = None,
    progress: Progress = silent,
) -> Report:
    """Shows what a converted model saves, loses and gains, in one file that needs nothing else.

    A converted model carries the operating points that it can be retuned to, and what these are expected to do to every
    layer. The rest comes from what else is given; what is not given is left out, and the report says which command
    would give it.

    Args:
        model: What `convert`, `retune` or `finetune` wrote.
        output: The file to write, a web page (.html) or Markdown (.md).
        calibration: The calibration file: adds the layers' curves, measured and fitted.
        fit: The fit file: its operating points in place of those that the model carries.
        eval: Files with what `zaponnx eval --json` printed, of this model or others of the same network: adds the
            accuracies and the work that was saved on real data.
        bench: What `zaponnx bench --json` printed: adds the times.
        convert: What `zaponnx convert --json`, or retune, printed: adds why layers stay dense and, with --tune, the
            layers' times.
        data: A data SPEC: adds where prediction hits and misses on a few of its samples.
        samples: So many of them.
        preprocess: What is done to images, as in `zaponnx.eval`.
        progress: Told about the parts.

    Raises:
        InvalidArgument: Another ending than .html and .md, an output that cannot be written, an unknown SPEC, or other
            arguments that are for data without any.
        ModelError: The model cannot be read or run, or is not converted.
        ArtifactError: A file is damaged, or of another model.
        DataError, RuntimeUnavailable, OutputError: As in `zaponnx.eval`.
    """
    path, output = Path(model), Path(output)
    if output.suffix.lower() not in _FORMATS:
        remedy = "give a name that ends in .html or .md"
        raise InvalidArgument("report", f"'{output.name}' is no name for a page", remedy=remedy)
    if samples < 1:
        raise InvalidArgument("report", f"samples is {samples}, and must be at least 1")
    if data is None and preprocess is not None:
        raise InvalidArgument("report", "--preprocess is for data only", remedy="give --data, too")
    given = Given(
        model=path,
        output=output,
        calibration=_path(calibration),
        fit=_path(fit),
        evaluations=tuple(map(Path, eval)),
        benchmark=_path(bench),
        conversion=_path(convert),
        data=data,
        samples=samples,
        preprocess=preprocess,
    )
    files = [given.calibration, given.fit, *given.evaluations, given.benchmark, given.conversion]
    read = [path, *external_files(path, "report"), *filter(None, files), *files_of_data(data or "")]
    check_output(output, "report", read)
    progress("reading", 0, 3)
    sources = read_sources(path, given.calibration, given.fit, given.evaluations, given.benchmark, given.conversion)
    progress("looking for hits and misses", 1, 3)
    seen = decisions(sources.model, str(path), data, samples, preprocess) if data is not None else []
    progress("writing", 2, 3)
    analyzed = analysis(sources.calibration_file) if sources.calibration_file else None
    result = Report(
        model=path,
        model_sha256=sources.sha256,
        output=output,
        headline=_headline(sources),
        frontier=frontier(sources),
        layers=all_layers(sources, {site.output: site for site in analyzed.sites} if analyzed else {}),
        curves=_curves(sources, analyzed),
        samples=tuple(Sample(sample.number, tuple(layer.hits for layer in sample.layers)) for sample in seen),
        facts=facts(sources),
        commands=commands(sources, given),
        missing=missing(sources, given),
    )
    content = markdown(result) if output.suffix.lower() == ".md" else page(result, seen)
    with atomic_path(output, "report") as temporary:
        temporary.write_text(content, encoding="utf-8")
    return result


def _path(file: Path | str | None) -> Path | None:
    return None if file is None else Path(file)


def _curves(sources: Sources, analyzed: Analysis | None) -> Curves | None:
    if analyzed is None or sources.calibration_file is None:
        return None
    chosen = itertools.chain.from_iterable(skipping_thresholds(sources).values())
    return layer_curves(analyzed, sources.calibration_file, chosen)


def _headline(sources: Sources) -> Headline:
    bench = sources.benchmark
    return Headline(
        work=work(sources),
        accuracy=_accuracy(sources),
        timings=bench.runs if bench else (),
        cpu=bench.cpu if bench else "",
        baseline=bench.baseline.name if bench else "",
    )


def _accuracy(sources: Sources) -> Accuracy | None:
    """Top-1 and top-5 of the model and of the dense one, None unless both were evaluated with labels."""
    if sources.evaluation is None:
        return None
    evaluation, model, dense = sources.evaluation
    if dense is None or model.top1 is None or model.top5 is None or dense.top1 is None or dense.top5 is None:
        return None
    measured_on = (evaluation.data, evaluation.split, evaluation.samples)
    return Accuracy(*measured_on, dense.top1, model.top1, dense.top5, model.top5)
