"""The commands that measure and show: read arguments, call the library function of the same name, print its result."""

from __future__ import annotations

from typing import Any

import click

import zaponnx
from zaponnx import measurement_tables, options, tables
from zaponnx.commands import Command


@click.command("eval", cls=Command, show=measurement_tables.evaluate, progress=True, shared=True)
@click.argument("models", metavar="MODEL...", type=options.FILE, nargs=-1, required=True)
@options.data
@click.option("--split", default="test", show_default=True, help="Of data that have splits.")
@options.samples
@options.batch_size
@options.preprocess
@options.workers
@options.providers
@click.option("--portable", is_flag=True, help="Run without the native library, by the operators' function bodies.")
def eval_command(**arguments: Any) -> Any:
    """Measure accuracy and MACs saved; the first is the baseline."""
    return zaponnx.eval(**arguments)


@click.command("bench", cls=Command, show=measurement_tables.bench, progress=True)
@click.argument("model", type=options.FILE)
@click.option("--baseline", type=options.FILE, required=True, help="The dense model.")
@click.option(
    "--threads",
    callback=options.integers,
    metavar="N,...",
    default="1,2",
    show_default=True,
    help="Numbers of threads.",
)
@click.option("--iterations", type=options.COUNT, default=100, show_default=True, help="Timed inferences.")
@click.option("--warmup", type=click.IntRange(min=0), default=10, show_default=True, help="Inferences before those.")
@click.option(
    "--input-shapes",
    callback=options.shapes,
    metavar="NAME:N,...",
    multiple=True,
    help="An input's shape, where it is dynamic.",
)
@options.providers
@options.seed
def bench_command(**arguments: Any) -> Any:
    """Time a model against its baseline on random input."""
    return zaponnx.bench(**arguments)


@click.command("inspect", cls=Command, show=tables.inspect)
@click.argument("model", type=options.FILE)
def inspect_command(**arguments: Any) -> Any:
    """List the layers that can be predicted, and why others cannot."""
    return zaponnx.inspect(**arguments)


@click.command("report", cls=Command, show=measurement_tables.report, progress=True)
@click.argument("model", type=options.FILE)
@options.output
@click.option("--calibration", type=options.FILE, help="What calibrate wrote: adds the layers' curves.")
@click.option("--fit", type=options.FILE, help="What fit wrote, in place of the points that the model carries.")
@click.option("--eval", type=options.FILE, multiple=True, help="What eval --json printed: adds accuracy and work.")
@click.option("--bench", type=options.FILE, help="What bench --json printed: adds the times.")
@click.option("--convert", type=options.FILE, help="What convert --json printed: adds reasons, and times of layers.")
@click.option("--data", metavar="SPEC", help=f"Adds hits and misses on samples: {options.SPECS}")
@click.option("--samples", type=options.COUNT, default=4, show_default=True, help="So many of them.")
@options.preprocess
def report_command(**arguments: Any) -> Any:
    """Show what a converted model saves, loses and gains.

    What is not given is left out, and the report says which command would give it.
    """
    return zaponnx.report(**arguments)
