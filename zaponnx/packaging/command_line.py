"""The command line of packages: reads arguments, calls the library function of the same name, prints its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zaponnx
from zaponnx import options
from zaponnx.commands import Command, Flow
from zaponnx.packaging import text

_PACKAGE = click.Path(exists=True, path_type=Path)
_OUTPUT = click.Path(path_type=Path)

_allow_native = click.option(
    "--allow-native", is_flag=True, help="Accept native libraries, which can do anything on this machine."
)


@click.command("pack", cls=Command, show=text.pack, progress=True)
@click.argument("models", metavar="MODEL...", type=options.FILE, nargs=-1, required=True)
@click.option("-o", "--output", type=_OUTPUT, required=True, help="Directory or .tar.gz to write.")
@click.option("--name", metavar="NAME", help="The package's name; as the output if not given.")
@click.option("--description", metavar="TEXT", default="", help="What it is, in a line.")
@click.option("--license", metavar="TEXT", default="", help="The licence of model and weights, as in Apache-2.0.")
@click.option("--tags", callback=options.names, metavar="TAG,...", help="Words to find it by.")
@click.option("--data", metavar="SPEC", default="random", show_default=True, help=f"Test inputs: {options.SPECS}")
@click.option("--test-sets", type=options.COUNT, default=1, show_default=True, help="Test data sets for each model.")
@options.preprocess
@click.option("--eval", type=options.FILE, multiple=True, help="What eval --json printed of the models.")
@click.option("--bench", type=options.FILE, multiple=True, help="What bench --json printed of a model.")
@click.option("--report", type=options.FILE, help="The page that report wrote of a model.")
@click.option(
    "--native", metavar="PLATFORM[=FILE]", multiple=True, help="Put in the native library for linux-x86_64 or -aarch64."
)
@options.seed
def pack_command(**arguments: Any) -> Any:
    """Write a package of a model's operating points.

    The first MODEL is the default; several share their weights.
    """
    return zaponnx.pack(**arguments)


@click.command("verify", cls=Command, show=text.verify, progress=True)
@click.argument("package", type=_PACKAGE)
@options.providers
@_allow_native
@click.option(
    "--tolerance", type=float, default=0.001, show_default=True, help="Accepted difference, of the largest value."
)
def verify_command(**arguments: Any) -> Any:
    """Check a package's files, and run its test data."""
    return zaponnx.verify(**arguments)


@click.command("unpack", cls=Command, show=text.unpack)
@click.argument("package", type=_PACKAGE)
@click.option("-o", "--output", type=_OUTPUT, required=True, help="Directory to write.")
@_allow_native
def unpack_command(**arguments: Any) -> Any:
    """Write a package's files to a directory."""
    return zaponnx.unpack(**arguments)


@click.group("zoo", cls=Flow)
def zoo_group() -> None:
    """Share packages by an index on any file server.

    ZOO is a directory, or its URL that begins with file:, http: or https:.
    """


@zoo_group.command("list", cls=Command, show=text.zoo_list)
@click.argument("zoo")
@click.option("--tag", metavar="TAG", multiple=True, help="Only packages with this tag.")
def zoo_list_command(**arguments: Any) -> Any:
    """List the packages of a zoo."""
    return zaponnx.zoo_list(**arguments)


@zoo_group.command("add", cls=Command, show=text.zoo_list, progress=True)
@click.argument("zoo")
@click.argument("packages", metavar="PACKAGE...", type=_PACKAGE, nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Take the place of packages of the same names.")
@_allow_native
def zoo_add_command(**arguments: Any) -> Any:
    """Verify packages and add them to a zoo's directory."""
    return zaponnx.zoo_add(**arguments)


@zoo_group.command("get", cls=Command, show=text.zoo_get, progress=True)
@click.argument("zoo")
@click.argument("name")
@click.option("-o", "--output", type=_OUTPUT, required=True, help="Directory or .tar.gz to write.")
@_allow_native
def zoo_get_command(**arguments: Any) -> Any:
    """Fetch a package from a zoo; goes on after a break."""
    return zaponnx.zoo_get(**arguments)
