"""verify: reads a package, says that it is whole and that its models give the outputs of its test data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zaponnx.errors import InvalidArgument, calling
from zaponnx.packaging.checking import TOLERANCE, PackageCheck, check_models
from zaponnx.packaging.contents import opened
from zaponnx.progress import Progress, silent
from zaponnx.providers import Provider


def verify(
    package: Path | str,
    *,
    providers: Sequence[Provider] | None = None,
    allow_native: bool = False,
    tolerance: float = TOLERANCE,
    progress: Progress = silent,
) -> PackageCheck:
    """Checks a package: its files, its manifest, its models, and their outputs for its test data.

    The models are run without zaponnx's library and with it; and with the library in the package, if that has one for
    this machine's platform.

    Args:
        package: A directory or an archive that `pack` wrote, or that came from elsewhere. Nothing in it is changed.
        providers: As in `zaponnx.InferenceSession`.
        allow_native: Whether it may have native libraries. That for this machine's platform is loaded then.
        tolerance: The largest accepted difference of an output, relative to its largest value.
        progress: Called before each model.

    Raises:
        InvalidArgument: The tolerance is no number from 0, or a provider is unknown.
        ArtifactError: It is no package, or a damaged or hostile one, or its models do not give what it says.
        ModelError: A model is not valid, or ONNX Runtime refuses it.
        RuntimeUnavailable: ONNX Runtime, zaponnx's library or a provider is missing.
    """
    package = Path(package)
    if not tolerance >= 0:
        raise InvalidArgument("verify", f"the tolerance is {tolerance}, and must be a number from 0")
    with (
        opened(package, "verify", allow_native=allow_native) as (directory, manifest),
        calling(directory, str(package)),
    ):
        return check_models(directory, manifest, package, providers, tolerance, progress, "verify")
