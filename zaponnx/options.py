"""Options that several commands have, and what reads their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from zaponnx.providers import Provider


def integers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return None if value is None else tuple(map(int, value.split(",")))
    except ValueError as error:
        raise click.BadParameter(f"'{value}' is no list of integers such as 1,2", ctx, param) from error


def shapes(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> dict[str, tuple[int, ...] | None]:
    shapes = {}
    for value in values:
        name, _, shape = value.rpartition(":")
        if not name or not shape:
            raise click.BadParameter(f"'{value}' is no input's name and shape such as x:1,3,224,224", ctx, param)
        shapes[name] = integers(ctx, param, shape)
    return shapes


def names(ctx: click.Context, param: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else value.split(",")


def providers_of(ctx: click.Context, param: click.Parameter, value: str | None) -> list[Provider] | None:
    try:
        return None if value is None else [_provider(each) for each in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"'{value}' is no list such as cuda:use_tf32=0,cpu", ctx, param) from error


def _provider(text: str) -> Provider:
    name, *given = text.split(":")
    options = dict(option.split("=", 1) for option in given)
    if len(options) < len(given) or not all(key and value for key, value in options.items()):
        raise ValueError(text)
    return (name, options) if given else name


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
COUNT = click.IntRange(min=1)
SPECS = "digits, images:DIR, npz:PATH, test-data:DIR, py:FILE.py:function or random."

output = click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="File to write.")
data = click.option("--data", metavar="SPEC", required=True, help=SPECS)
samples = click.option("--samples", type=COUNT, help="Use at most this many samples.")
batch_size = click.option("--batch-size", type=COUNT, default=128, show_default=True, help="Samples per run.")
preprocess = click.option(
    "--preprocess",
    metavar="NAME",
    help="What is done to images: imagenet, none, MEAN/STD, torchvision:WEIGHTS, or auto for the model's weights.",
)
workers = click.option(
    "--workers", type=click.IntRange(min=0), default=0, show_default=True, help="Processes that decode images."
)
seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Seed of all that is random."
)
providers = click.option(
    "--providers",
    callback=providers_of,
    metavar="NAME,...",
    help="ONNX Runtime's providers by precedence, as in cuda,cpu; options as in cuda:use_tf32=0:device_id=1.",
)


def operating_point(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose an operating point."""
    chosen = [
        click.option(
            "--epsilon",
            type=float,
            help="Budget: a limit for the error, as measured in calibration and added up by fit. Without this and the "
            "next one, the point that fit chose.",
        ),
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
        click.option("--data", metavar="SPEC", help=f"To tune with: {SPECS}"),
        click.option("--batch-size", type=COUNT, help="Samples per run when tuning; 1 if not given."),
        preprocess,
        click.option("--threads", type=COUNT, help="Threads to tune for; all cores if not given."),
        click.option(
            "--providers",
            callback=providers_of,
            metavar="NAME,...",
            help="ONNX Runtime's providers to tune for, as in cuda, or cuda:use_tf32=0.",
        ),
    ]
    for option in reversed(chosen):
        command = option(command)
    return command
