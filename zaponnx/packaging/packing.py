"""pack: reads models and what was measured of them, writes a package, once it has been checked as `verify` does."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.errors import calling
from zaponnx.files import atomic_directory, atomic_path, files_of_data, sha256, writing
from zaponnx.models import external_files
from zaponnx.packaging.archive import read_archive, write_archive
from zaponnx.packaging.assembling import assemble
from zaponnx.packaging.checking import TOLERANCE, PackageCheck, check_models
from zaponnx.packaging.contents import check_directory
from zaponnx.packaging.native import libraries_to_pack
from zaponnx.packaging.outputs import check_package_output, is_archive
from zaponnx.packaging.request import Request
from zaponnx.progress import Progress, silent


@dataclass(frozen=True)
class Packed:
    """What was written.

    Attributes:
        output: The package.
        sha256: The SHA-256 of an archive, None for a directory.
        check: What is in it, and how it was checked.
    """

    output: Path
    sha256: str | None
    check: PackageCheck

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx pack --json` prints it."""
        return {"output": str(self.output), "sha256": self.sha256, "check": self.check.to_json()}


def pack(
    models: Sequence[Path | str],
    output: Path | str,
    *,
    name: str | None = None,
    description: str = "",
    license: str = "",
    tags: Sequence[str] | None = None,
    data: str = "random",
    test_sets: int = 1,
    preprocess: str | None = None,
    seed: int = 0,
    eval: Sequence[Path | str] = (),
    bench: Sequence[Path | str] = (),
    report: Path | str | None = None,
    native: Sequence[str] = (),
    progress: Progress = silent,
) -> Packed:
    """Writes a package of a model, at one operating point or several.

    The same arguments and files give the same bytes, on the same machine and with the same versions.

    Args:
        models: Operating points of one model, the first one of which is the default; each is called as its file
            without .zap.onnx. Several share their weights, as external data.
        output: A directory, or a file that ends in .tar.gz. What is there is replaced if it is a package.
        name: What the package is called; as the output if None.
        description, license: What it is, and its licence, as in "Apache-2.0", in a line each.
        tags: Words to find it by.
        data: SPEC of the data that the test inputs are from.
        test_sets: How many test data sets each model gets, of one sample each, or of the batch that it prescribes.
        preprocess: What is done to images, as in `calibrate`.
        seed: Of random data.
        eval, bench: Files with what `eval --json` and `bench --json` printed of these models.
        report: The page that `zaponnx report` wrote of one of these models, to put into it.
        native: Platforms whose native library to put into it: "linux-x86_64" or "linux-aarch64" for this machine's own,
            or as in "linux-aarch64=FILE".
        progress: Told about every step.

    Raises:
        InvalidArgument: No models, or several of the same name; or a name, platform or output that cannot be.
        ModelError: A model cannot be read or run, or they are not operating points of one model.
        ArtifactError: What was measured, or the report, is damaged or of none of the models; or the package's check
            failed.
        DataError: The data cannot be read or do not suit the models.
        OutputError: The system refuses the output.
        RuntimeUnavailable: Something that it needs is not installed.
    """
    output, paths = Path(output), [Path(model) for model in models]
    measured = [Path(file) for file in (*eval, *bench, *([] if report is None else [report]))]
    libraries = libraries_to_pack(native, "pack")
    request = Request.of(
        paths,
        output=output,
        name=name,
        description=description,
        license=license,
        tags=tuple(tags or ()),
        data=data,
        test_sets=test_sets,
        preprocess=preprocess,
        seed=seed,
        evaluations=[Path(file) for file in eval],
        benchmarks=[Path(file) for file in bench],
        report=None if report is None else Path(report),
        libraries=libraries,
    )
    weights = [file for path in paths for file in external_files(path, "pack")]
    check_package_output(output, "pack", [*paths, *weights, *measured, *libraries.values(), *files_of_data(data)])
    with ExitStack() as stack:
        if is_archive(output):
            with writing(output, "pack"):
                place = tempfile.TemporaryDirectory(prefix=f".{request.name}-", dir=output.parent)
                staged = Path(stack.enter_context(place))
        else:
            staged = stack.enter_context(atomic_directory(output, "pack"))
        stack.enter_context(calling(staged, f"the package {output}"))
        assemble(request, staged, progress)
        manifest = check_directory(staged, "pack", allow_native=True)
        check = check_models(staged, manifest, output, None, TOLERANCE, progress, "pack")
        if not is_archive(output):
            return Packed(output, None, check)
        with atomic_path(output, "pack") as archive, calling(archive, f"the package {output}"):
            write_archive(staged, manifest, archive, "pack")
            read_archive(archive, None, "pack", allow_native=True)
            digest = sha256(archive)
    return Packed(output, digest, check)
