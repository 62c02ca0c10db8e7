"""The command line: reads arguments, calls the library function of the same name, prints its result.

stdout carries the result, as text or with --json as one JSON object; stderr carries everything else. Exit codes:
0 done, 1 failure, 2 usage, 3 done but the budget was missed, 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

try:
    import click

    import zaponnx
    from zaponnx import tables
    from zaponnx.commands import Command, Flow
except KeyboardInterrupt:  # later, the commands see to it
    raise SystemExit(130) from None


def _integers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return None if value is None else tuple(map(int, value.split(",")))
    except ValueError as error:
        raise click.BadParameter(f"'{value}' is no list of integers such as 1,2", ctx, param) from error


def _shapes(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, tuple[int, ...] | None]:
    shapes = {}
    for value in values:
        name, _, shape = value.rpartition(":")
        if not name or not shape:
            raise click.BadParameter(f"'{value}' is no input's name and shape such as x:1,3,224,224", ctx, param)
        shapes[name] = _integers(ctx, param, shape)
    return shapes


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else value.split(",")


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)
_SPECS = "digits, images:DIR, npz:PATH, test-data:DIR, py:FILE.py:function or random."

_output = click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write.")
_data = click.option("--data", metavar="SPEC", required=True, help=_SPECS)
_samples = click.option("--samples", type=_COUNT, help="Use at most this many samples.")
_batch_size = click.option("--batch-size", type=_COUNT, default=128, show_default=True, help="Samples per run.")
_preprocess = click.option(
    "--preprocess",
    metavar="NAME",
    help="What is done to images: imagenet, none, MEAN/STD, torchvision:WEIGHTS, or auto for the model's weights.",
)
_workers = click.option(
    "--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Processes that decode images."
)
_seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all that is random."
)
_providers = click.option(
    "--providers", callback=_names, metavar="NAME,...", help="ONNX Runtime's providers by precedence, as in cuda,cpu."
)


def _operating_point(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose an operating point."""
    options = [
        click.option("--epsilon", type=float, help="Budget: a limit for the sum of the layers' measured errors."),
        click.option(
            "--mac-saving", type=float, help="Goal: the share of the calibrated layers' MACs to save, from 0 to 1."
        ),
        click.option(
            "--layout",
            type=click.Choice(["auto", "nchw"]),
            default="auto",
            show_default=True,
            help="auto: ZapConvs exchange activations in NHWC where that saves conversions; nchw: none does.",
        ),
        click.option("--tune", is_flag=True, help="Measure whether each layer should skip, compute all or stay dense."),
        click.option("--data", metavar="SPEC", help=f"To tune with: {_SPECS}"),
        click.option("--batch-size", type=_COUNT, help="Samples per run when tuning; 1 if not given."),
        _preprocess,
        click.option("--threads", type=_COUNT, help="Threads to tune for; all cores if not given."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=Flow, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="zaponnx")
def main() -> None:
    """Make trained CNNs in ONNX cheaper to run, by predicting the zeros that ReLU will produce."""


@main.command("export", cls=Command, show=tables.export, progress=True)
@click.argument("source")
@_output
@click.option("--weights", metavar="FILE|DEFAULT", help="A state dict to load, or torchvision's default weights.")
@click.option(
    "--input-shape", callback=_integers, metavar="N,...", help="Shape of the input with its batch, as in 1,3,224,224."
)
@click.option("--opset", type=_COUNT, help="ONNX opset version.")
@click.option("--static-batch", is_flag=True, help="Fix the batch size to the input shape's.")
@_seed
def export_command(**options: Any) -> Any:
    """Export a PyTorch network to ONNX.

    SOURCE is digits (trains a small network on handwritten digits), a torchvision name, or package.module:factory.
    """
    return zaponnx.export(**options)


@main.command("calibrate", cls=Command, show=tables.calibrate, progress=True, shared=True)
@click.argument("model", type=_FILE)
@_data
@_output
@click.option("--pattern", default="B", show_default=True, help="A, B, C, D or a tile's rows, as in 10/01.")
@_samples
@click.option("--epochs", type=_COUNT, help="Passes over the data; the preset's if not given.")
@_batch_size
@click.option("--include", metavar="RE", multiple=True, help="Only nodes whose name matches.")
@click.option("--exclude", metavar="RE", multiple=True, help="No nodes whose name matches.")
@click.option("--include-first", is_flag=True, help="Predict the network's first convolution, too.")
@_preprocess
@_workers
@_providers
@_seed
@click.option(
    "--preset",
    type=click.Choice(["quick", "default"]),
    default="default",
    show_default=True,
    help="default: 5 epochs over all samples; quick: 2 epochs over at most 256.",
)
@click.option(
    "--training",
    type=click.Choice(["default", "paper"]),
    default="default",
    show_default=True,
    help="default: the loss counts missed values, the learning rate falls; paper: as published.",
)
def calibrate_command(**options: Any) -> Any:
    """Train predictors and measure what thresholds cost and save."""
    return zaponnx.calibrate(**options)


@main.command("analyze", cls=Command, show=tables.analyze)
@click.argument("calibration", type=_FILE)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory to write."
)
def analyze_command(**options: Any) -> Any:
    """Show how well each layer's predictor tells zeros."""
    return zaponnx.analyze(**options)


@main.command("fit", cls=Command, show=tables.fit)
@click.argument("calibration", type=_FILE)
@_output
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
def fit_command(**options: Any) -> Any:
    """Find the best thresholds for a whole range of budgets."""
    return zaponnx.fit(**options)


@main.command("adopt", cls=Command, show=tables.fit)
@click.argument("calibration", type=_FILE)
@click.argument("thresholds", type=_FILE)
@_output
def adopt_command(**options: Any) -> Any:
    """Take thresholds from a published dictionary."""
    return zaponnx.adopt(**options)


@main.command("convert", cls=Command, show=tables.convert, progress=True)
@click.argument("model", type=_FILE)
@click.option("--calibration", type=_FILE, required=True, help="What calibrate wrote.")
@click.option("--fit", type=_FILE, required=True, help="What fit wrote.")
@_output
@_operating_point
def convert_command(**options: Any) -> Any:
    """Write the model with its predictors at one operating point."""
    return zaponnx.convert(**options)


@main.command("finetune", cls=Command, show=tables.finetune, progress=True)
@click.argument("model", type=_FILE)
@_data
@_output
@click.option("--preset", metavar="NAME", help="A published operating point's settings, as paper:resnet18-D.")
@click.option("--epochs", type=click.IntRange(min=0), help="Passes over the data; 5 if not given, or the preset's 1.")
@click.option("--lr", type=float, help="Learning rate; 0.001 if not given, or the preset's.")
@click.option("--weight-decay", type=float, help="0.0001 if not given, or the preset's.")
@click.option("--momentum", type=float, default=0.9, show_default=True, help="Of the descent.")
@click.option("--batch-size", type=_COUNT, help="Samples per step; 64 if not given, or the preset's.")
@click.option(
    "--loss", type=click.Choice(["labels", "distill"]), help="Follow the labels, if there are any, or the dense model."
)
@click.option("--reestimate/--no-reestimate", default=True, help="Re-estimate batch norms' statistics first; it does.")
@_samples
@_preprocess
@_workers
@click.option("--split", default="train", show_default=True, help="Of data that have splits.")
@click.option("--device", default="cpu", show_default=True, help="Torch's device, as in cuda.")
@_seed
def finetune_command(**options: Any) -> Any:
    """Train a converted model's weights with its predictors on."""
    return zaponnx.finetune(**options)


@main.command("retune", cls=Command, show=tables.convert, progress=True)
@click.argument("model", type=_FILE)
@_output
@_operating_point
def retune_command(**options: Any) -> Any:
    """Write a converted model at another operating point."""
    return zaponnx.retune(**options)


@main.command("strip", cls=Command, show=tables.strip)
@click.argument("model", type=_FILE)
@_output
def strip_command(**options: Any) -> Any:
    """Write the dense model that a converted one came from."""
    return zaponnx.strip(**options)


@main.command("eval", cls=Command, show=tables.evaluate, progress=True, shared=True)
@click.argument("models", metavar="MODEL...", type=_FILE, nargs=-1, required=True)
@_data
@_samples
@_batch_size
@_preprocess
@_workers
@_providers
@click.option("--portable", is_flag=True, help="Run without the native library, by the operators' function bodies.")
def eval_command(**options: Any) -> Any:
    """Measure accuracy and MACs saved; the first is the baseline."""
    return zaponnx.eval(**options)


@main.command("bench", cls=Command, show=tables.bench, progress=True)
@click.argument("model", type=_FILE)
@click.option("--baseline", type=_FILE, required=True, help="The dense model.")
@click.option(
    "--threads", callback=_integers, metavar="N,...", default="1,2", show_default=True, help="Numbers of threads."
)
@click.option("--iterations", type=_COUNT, default=100, show_default=True, help="Timed inferences.")
@click.option("--warmup", type=click.IntRange(min=0), default=10, show_default=True, help="Inferences before those.")
@click.option(
    "--input-shapes",
    callback=_shapes,
    metavar="NAME:N,...",
    multiple=True,
    help="An input's shape, where it is dynamic.",
)
@_providers
@_seed
def bench_command(**options: Any) -> Any:
    """Time a model against its baseline on random input."""
    return zaponnx.bench(**options)


@main.command("inspect", cls=Command, show=tables.inspect)
@click.argument("model", type=_FILE)
def inspect_command(**options: Any) -> Any:
    """List the layers that can be predicted, and why others cannot."""
    return zaponnx.inspect(**options)


@main.command("selfcheck", cls=Command, show=tables.selfcheck)
def selfcheck_command() -> Any:
    """Check the installation with a tiny model run in three ways."""
    return zaponnx.selfcheck()


@main.command("demo", cls=Command, show=tables.demo, progress=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Directory to write.",
)
@_seed
def demo_command(**options: Any) -> Any:
    """Run all of it on real images of handwritten digits."""
    return zaponnx.demo(**options)


@main.command("reproduce", cls=Command, show=tables.reproduce, progress=True)
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
@_samples
@click.option("--input-size", type=_COUNT, default=224, show_default=True, help="Height and width of the input.")
@_workers
@_providers
@click.option("--device", default="cpu", show_default=True, help="Torch's device for fine-tuning, as in cuda.")
@_seed
def reproduce_command(**options: Any) -> Any:
    """Measure the published operating points on ImageNet."""
    return zaponnx.reproduce(**options)
