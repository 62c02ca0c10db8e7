"""What was measured as text for people: one function for each command that evaluates, times or shows it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from zaponnx.tables import mega, percent, table

if TYPE_CHECKING:
    from zaponnx.benchmark import Benchmark
    from zaponnx.calib.demo import Demo
    from zaponnx.calib.paper.reproduction import Reproduction
    from zaponnx.calib.report.contents import Report
    from zaponnx.conversion_report import ConversionReport
    from zaponnx.evaluation import Evaluation


def evaluate(evaluation: Evaluation) -> str:
    """The models side by side."""
    rows = [
        [
            str(model.path),
            percent(model.top1),
            percent(model.top5),
            percent(model.mac_saved),
            percent(model.net_mac_saved),
        ]
        for model in evaluation.models
    ]
    header = ["model", "top-1", "top-5", "MACs saved", "net of predictors"]
    split = f" ({evaluation.split})" if evaluation.split else ""
    labels = ", without labels" if all(model.top1 is None for model in evaluation.models) else ""
    lines = [table(header, rows), "", f"{evaluation.samples} samples of {evaluation.data}{split}{labels}"]
    return "\n".join([*lines, *(f"NOTE: {note}" for note in evaluation.notes)])


def bench(benchmark: Benchmark) -> str:
    """The times, and plainly whether the model is faster."""
    rows = [[str(run.threads), f"{run.baseline_ms:.3f}", f"{run.model_ms:.3f}", run.spread] for run in benchmark.runs]
    shapes = ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in benchmark.input_shapes.items())
    lines = [
        table(["threads", "baseline ms", "model ms", "speed-up (quartiles)"], rows),
        "",
        f"medians of {benchmark.iterations} runs in turn, {shapes}; {benchmark.cpu}, {benchmark.cores} cores, "
        f"{', '.join(benchmark.providers)}",
    ]
    for run in benchmark.runs:
        if run.speedup <= 1:
            threads = f"{run.threads} thread{'s' * (run.threads > 1)}"
            lines.append(f"{benchmark.model} is NOT faster than {benchmark.baseline} with {threads}.")
    return "\n".join(lines)


def report(result: Report) -> str:
    """The headline, and what would make the report fuller."""
    lines = [f"{result.output}: {result.headline.sentence}"]
    lines += [f"it lacks {item.what}: {item.command}" for item in result.missing]
    return "\n".join(lines)


def demo(result: Demo) -> str:
    """The whole story in one table."""
    dense, converted, tuned = result.evaluation.models
    savings = {layer.name: layer for layer in converted.layers}
    rows = []
    for layer in result.inspection.layers:
        saving = savings.get(layer.name)
        shares = [percent(saving.mac_saved), percent(saving.net_mac_saved)] if saving else ["dense", ""]
        rows.append([layer.name, mega(layer.macs), *shares])
    predicted = sum(layer.macs for layer in converted.layers)
    rows.append(["predicted layers", mega(predicted), percent(converted.mac_saved), percent(converted.net_mac_saved)])
    share = result.inspection.share or 0.0
    whole = [percent(converted.mac_saved * share), percent(converted.net_mac_saved * share)]
    rows.append(["all convolutions", mega(result.inspection.macs), *whole])
    reason = "the largest before one loses" if result.epsilon else "since even the smallest other one tried loses"
    lines = [
        table(["layer", "MACs", "saved", "net of predictor"], rows),
        "",
        f"top-1 {percent(dense.top1)} before, {percent(converted.top1)} after, on {result.evaluation.samples} images "
        f"of the test split; epsilon {result.epsilon:g}, {reason} more than half a point on the calibration split",
        "",
        bench(result.benchmark),
        "",
        f"{_tuned_layers(result.tuned)}; top-1 {percent(tuned.top1)}:",
        "",
        bench(result.tuned_benchmark),
        "",
        f"Files are in {result.output}: {', '.join(str(path.relative_to(result.output)) for path in result.files)}",
    ]
    return "\n".join(lines)


def _tuned_layers(conversion: ConversionReport) -> str:
    """What became of the layers of a tuned model."""
    assert conversion.tuning is not None
    forms = Counter(site.form.value for site in conversion.tuning.sites)
    return (
        f"tuned for {conversion.tuning.threads} threads: {forms['winograd']} layers in full by Winograd's, "
        f"{forms['skipping']} skipping, {forms['dense']} dense"
    )


def reproduce(reproduction: Reproduction) -> str:
    """What was published, and in parentheses what was measured: MACs saved, and drops in percentage points."""
    header = ["operating point", "MACs saved", "top-1 drop", "fine-tuned", "top-5 drop", "fine-tuned"]
    rows = []
    for point in reproduction.points:
        published = point.published
        expected = (
            *(published.top1_drop, published.top1_drop_finetuned),
            *(published.top5_drop, published.top5_drop_finetuned),
        )
        drops = [f"{theirs:.2f} ({ours:.2f})" for theirs, ours in zip(expected, point.drops, strict=True)]
        saved = f"{published.mac_saved_percent:.1f} % ({100 * point.mac_saved:.1f} %)"
        rows.append([published.name, saved, *drops])
    weights = "torchvision's weights" if reproduction.weights == "DEFAULT" else "RANDOM WEIGHTS: no reproduction"
    return (
        f"{table(header, rows)}\n\npublished (measured on {reproduction.images} images of {reproduction.data}, "
        f"{weights}); the files are in {reproduction.output}"
    )
