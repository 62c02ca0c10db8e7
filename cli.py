"""The command line: reads arguments, calls the library function of the same name, prints its result.

stdout carries the result, as text or with --json as one JSON object; stderr carries everything else. Exit codes:
0 done, 1 failure, 2 usage, 3 done but the budget was missed, 130 interrupted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

try:
    import click

    import zaponnx
    from zaponnx import measurement_commands, measurement_tables, options, tables
    from zaponnx.commands import Command, Flow
    from zaponnx.packaging import command_line
except KeyboardInterrupt:  # later, the commands see to it
    raise SystemExit(130) from None


@click.group(cls=Flow, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="zaponnx")
def main() -> None:
    """Make trained CNNs in ONNX cheaper to run, by predicting the zeros that ReLU will produce."""


@main.command("export", cls=Command, show=tables.export, progress=True)
@click.argument("source")
@options.output
@click.option("--weights", metavar="FILE|DEFAULT", help="A state dict to load, or torchvision's default weights.")
@click.option(
    "--input-shape",
    callback=options.integers,
    metavar="N,...",
    help="Shape of the input with its batch, as in 1,3,224,224.",
)
@click.option("--opset", type=options.COUNT, help="ONNX opset version.")
@click.option("--static-batch", is_flag=True, help="Fix the batch size to the input shape's.")
@options.seed
def export_command(**arguments: Any) -> Any:
    """Export a PyTorch network to ONNX.

    SOURCE is digits (trains a small network on handwritten digits), a torchvision name, or package.module:factory.
    """
    return zaponnx.export(**arguments)


@main.command("calibrate", cls=Command, show=tables.calibrate, progress=True, shared=True)
@click.argument("model", type=options.FILE)
@options.data
@options.output
@click.option(
    "--pattern",
    metavar="P[,P...]",
    default="D",
    show_default=True,
    help="A to E or a tile's rows, as in 10/01; the best of several is kept.",
)
@options.samples
@click.option("--epochs", type=options.COUNT, help="Passes over the data; the preset's if not given.")
@click.option(
    "--batch-size",
    type=options.COUNT,
    default=128,
    show_default=True,
    help="Samples per training step; fewer, down to 8, where a pass has not enough for 32 steps.",
)
@click.option("--include", metavar="RE", multiple=True, help="Only nodes whose name matches.")
@click.option("--exclude", metavar="RE", multiple=True, help="No nodes whose name matches.")
@click.option("--include-first", is_flag=True, help="Predict the network's first convolution, too.")
@options.preprocess
@options.workers
@options.providers
@options.seed
@click.option(
    "--preset",
    type=click.Choice(["quick", "default"]),
    default="default",
    show_default=True,
    help="default: 5 epochs over all samples; quick: 2 over at most 256, and so few steps of refining.",
)
@click.option(
    "--training",
    type=click.Choice(["default", "paper"]),
    default="default",
    show_default=True,
    help="default: the loss counts missed values, the learning rate falls; paper: as published.",
)
@click.option(
    "--refine-steps",
    type=click.IntRange(min=0),
    help="Steps that refine the predictors by the network's output, 0 for none; if not given, 256, but at most ten "
    "passes, and none with the paper's training.",
)
def calibrate_command(**arguments: Any) -> Any:
    """Train predictors and measure what thresholds cost and save."""
    return zaponnx.calibrate(**arguments)


@main.command("analyze", cls=Command, show=tables.analyze)
@click.argument("calibration", type=options.FILE)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory to write."
)
def analyze_command(**arguments: Any) -> Any:
    """Show how well each layer's predictor tells zeros."""
    return zaponnx.analyze(**arguments)


@main.command("fit", cls=Command, show=tables.fit, progress=True)
@click.argument("calibration", type=options.FILE)
@options.output
@click.option(
    "--method",
    type=click.Choice(["exact", "sigmoid"]),
    default="exact",
    show_default=True,
    help="exact: the optimum on the measured curves; sigmoid: the paper's, on curves fitted to them.",
)
@click.option(
    "--objective",
    type=click.Choice(["output", "sum"]),
    help="Least change of the model's outputs, or least sum of the layers' errors.  [default: output; sum for sigmoid]",
)
@click.option(
    "--granularity",
    type=click.Choice(["channel", "layer"]),
    help="A threshold for each output channel, or one per layer.  [default: channel; layer for sigmoid]",
)
@click.option(
    "--block",
    type=click.Choice(["1x1x1", "8x1x1", "64x1x1", "64x4x4"]),
    help="What the kernel skips only as a whole, channels x rows x columns: 64x1x1 for CUDA.  [default: 1x1x1]",
)
@click.option("--epsilon", type=float, help="Choose the point that keeps this limit for the error.")
@click.option("--mac-saving", type=float, help="Choose the point that saves this share of the MACs, from 0 to 1.")
@click.option("--max-drop", type=float, help="Choose what saves most and loses at most this top-1, as in 0.01.")
@click.option(
    "--latency", type=float, metavar="MS", help="Choose the least error at which the model takes at most this."
)
@click.option("--min-latency", is_flag=True, help="Choose the fastest model that --epsilon or --max-drop allows.")
@click.option("--model", type=options.FILE, help="The dense model, for the last three.")
@click.option("--data", metavar="SPEC", help=f"What to run it on, with labels for --max-drop: {options.SPECS}")
@click.option("--split", help="Of data that have splits; calibration if not given.")
@options.samples
@click.option("--batch-size", type=options.COUNT, help="Samples per run; 128 to evaluate and 1 to time, if not given.")
@options.preprocess
@options.workers
@options.providers
@click.option("--threads", type=options.COUNT, help="Threads to time with; all cores if not given.")
@click.option(
    "--costs",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Cost table, written if it is not there; model.zapcosts.json for model.zapfit.json, if not given.",
)
def fit_command(**arguments: Any) -> Any:
    """Find the best thresholds for all budgets, and choose one."""
    return zaponnx.fit(**arguments)


@main.command("adopt", cls=Command, show=tables.fit)
@click.argument("calibration", type=options.FILE)
@click.argument("thresholds", type=options.FILE)
@options.output
def adopt_command(**arguments: Any) -> Any:
    """Take thresholds from a published dictionary."""
    return zaponnx.adopt(**arguments)


@main.command("convert", cls=Command, show=tables.convert, progress=True)
@click.argument("model", type=options.FILE)
@click.option("--calibration", type=options.FILE, required=True, help="What calibrate wrote.")
@click.option("--fit", type=options.FILE, required=True, help="What fit wrote.")
@options.output
@options.operating_point
def convert_command(**arguments: Any) -> Any:
    """Write the model with its predictors at one operating point."""
    return zaponnx.convert(**arguments)


@main.command("finetune", cls=Command, show=tables.finetune, progress=True)
@click.argument("model", type=options.FILE)
@options.data
@options.output
@click.option("--preset", metavar="NAME", help="A published operating point's settings, as paper:resnet18-D.")
@click.option("--epochs", type=click.IntRange(min=0), help="Passes over the data; 5 if not given, or the preset's 1.")
@click.option("--lr", type=float, help="Learning rate; 0.001 if not given, or the preset's.")
@click.option("--weight-decay", type=float, help="0.0001 if not given, or the preset's.")
@click.option("--momentum", type=float, default=0.9, show_default=True, help="Of the descent.")
@click.option("--batch-size", type=options.COUNT, help="Samples per step; 64 if not given, or the preset's.")
@click.option(
    "--loss", type=click.Choice(["labels", "distill"]), help="Follow the labels, if there are any, or the dense model."
)
@click.option("--reestimate/--no-reestimate", default=True, help="Re-estimate batch norms' statistics first; it does.")
@options.samples
@options.preprocess
@options.workers
@click.option("--split", default="train", show_default=True, help="Of data that have splits.")
@click.option("--device", help="Torch's device, as in cuda; that of --providers, or the CPU, if not given.")
@options.providers
@options.seed
def finetune_command(**arguments: Any) -> Any:
    """Train a converted model's weights with its predictors on.

    The result is the weights' mean over the steps, but for a preset's.
    """
    return zaponnx.finetune(**arguments)


@main.command("retune", cls=Command, show=tables.convert, progress=True)
@click.argument("model", type=options.FILE)
@options.output
@options.operating_point
def retune_command(**arguments: Any) -> Any:
    """Write a converted model at another operating point."""
    return zaponnx.retune(**arguments)


@main.command("strip", cls=Command, show=tables.strip)
@click.argument("model", type=options.FILE)
@options.output
def strip_command(**arguments: Any) -> Any:
    """Write the dense model that a converted one came from."""
    return zaponnx.strip(**arguments)


for command in (
    measurement_commands.eval_command,
    measurement_commands.bench_command,
    measurement_commands.inspect_command,
    measurement_commands.report_command,
    command_line.pack_command,
    command_line.verify_command,
    command_line.unpack_command,
    command_line.zoo_group,
):
    main.add_command(command)


@main.command("selfcheck", cls=Command, show=tables.selfcheck)
def selfcheck_command() -> Any:
    """Check the installation with a tiny model run in three ways."""
    return zaponnx.selfcheck()


@main.command("demo", cls=Command, show=measurement_tables.demo, progress=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Directory to write.",
)
@options.seed
def demo_command(**arguments: Any) -> Any:
    """Run all of it on real images of handwritten digits."""
    return zaponnx.demo(**arguments)


@main.command("reproduce", cls=Command, show=measurement_tables.reproduce, progress=True)
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory to write."
)
@click.option("--preset", metavar="NAME", multiple=True, help="An operating point, as paper:resnet18-D; all if none.")
@click.option(
    "--weights",
    type=click.Choice(["DEFAULT", "random"]),
    default="DEFAULT",
    show_default=True,
    help="DEFAULT: torchvision's, which it downloads; random: to try the command.",
)
@options.samples
@click.option("--input-size", type=options.COUNT, default=224, show_default=True, help="Height and width of the input.")
@options.workers
@options.providers
@click.option("--device", help="Torch's device for fine-tuning, as in cuda; that of --providers if not given.")
@options.seed
def reproduce_command(**arguments: Any) -> Any:
    """Measure the published operating points on ImageNet."""
    return zaponnx.reproduce(**arguments)
