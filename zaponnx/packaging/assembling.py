"""Puts a package's files together in a directory: reads what `pack` was given, writes all of the package."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from zaponnx.errors import ArtifactError, InvalidArgument, ModelError
from zaponnx.external_data import write_external
from zaponnx.files import sha256
from zaponnx.models import external_files, load_model, model_sha256
from zaponnx.packaging import paths
from zaponnx.packaging.card import card
from zaponnx.packaging.describing import describe
from zaponnx.packaging.manifest import Manifest, PackedFile, PackedModel
from zaponnx.packaging.manifest_schema import parse_manifest
from zaponnx.packaging.reported import reported_model
from zaponnx.packaging.request import Request
from zaponnx.packaging.test_sets import Arrays, write_test_set
from zaponnx.progress import Progress
from zaponnx.provenance import FINETUNED
from zaponnx.runtime import open_session, ort_errors, session_options

T = TypeVar("T")


def assemble(request: Request, directory: Path, progress: Progress) -> None:
    """Writes all files of a package to an empty directory.

    Raises:
        ZapError: As `zaponnx.packaging.packing.pack` says.
        OSError: The system refuses it.
    """
    _write_models(request, directory)
    models = [_packed(request, index, name, directory) for index, name in enumerate(request.models)]
    _check_alike(models)
    _check_measured(request, models)
    for done, model in enumerate(models):
        progress(f"test data for {model.name}", done, len(models))
        _write_test_data(request, model, directory)
    if request.report is not None:
        shutil.copyfile(request.report, directory / paths.REPORT)
    for platform, library in request.libraries.items():
        target = directory / paths.library_file(platform)
        target.parent.mkdir(parents=True)
        shutil.copyfile(library, target)
    manifest = Manifest(
        name=request.name,
        zaponnx=version("zaponnx"),
        description=request.description,
        license=request.license,
        tags=request.tags,
        test_inputs=_without_folders(request.data),
        models=tuple(models),
        files=_listed(directory),
    )
    (directory / paths.CARD).write_text(card(manifest), encoding="utf-8")
    text = replace(manifest, files=_listed(directory)).text()
    parse_manifest(text, "pack", "the manifest")
    (directory / paths.MANIFEST).write_text(text, encoding="utf-8")


def _write_models(request: Request, directory: Path) -> None:
    """Writes the models: one without external data as it is, others with their weights in one file."""
    sources = list(request.models.values())
    targets = [directory / paths.model_path(name, first=index == 0) for index, name in enumerate(request.models)]
    if len(sources) == 1 and not external_files(sources[0], "pack"):
        shutil.copyfile(sources[0], targets[0])
        return
    loaded = [load_model(path, "pack") for path in sources]
    write_external(list(zip(loaded, targets, strict=True)), directory / paths.WEIGHTS)


def _packed(request: Request, index: int, name: str, directory: Path) -> PackedModel:
    digest = model_sha256(request.models[name], "pack")
    file = paths.model_path(name, first=index == 0)
    return PackedModel(
        name=name,
        file=file,
        source_sha256=digest,
        description=describe(directory / file, "pack"),
        test_data=tuple(paths.test_data_path(name, number, first=index == 0) for number in range(request.test_sets)),
        accuracy=_measured(request.accuracies, digest),
        speed=_measured(request.speeds, digest),
    )


def _measured(found: Mapping[Path, Mapping[str, T]], digest: str) -> T | None:
    """What the first file that knows of a model says of it."""
    return next((models[digest] for models in found.values() if digest in models), None)


def _check_alike(models: Sequence[PackedModel]) -> None:
    """Refuses models that are no operating points of one: of other ports, or converted from another original."""
    first = models[0]
    for model in models[1:]:
        for key in ("inputs", "outputs"):
            if getattr(model.description, key) != getattr(first.description, key):
                problem = f"'{model.name}' has other {key} than '{first.name}'"
                raise ModelError("pack", problem, remedy="make a package of each")
    made = [model.description.provenance for model in models if FINETUNED not in model.description.provenance]
    originals = {provenance["model_sha256"] for provenance in made if "model_sha256" in provenance}
    if len(originals) > 1:
        raise ModelError("pack", "the models were converted from different ones", remedy="make a package of each")


def _check_measured(request: Request, models: Sequence[PackedModel]) -> None:
    """Refuses measurements of other models only, which would be left out in silence, and a report of another."""
    packed = {model.source_sha256 for model in models}
    for command, files in (("eval", request.accuracies), ("bench", request.speeds)):
        for file, found in files.items():
            if packed.isdisjoint(found):
                remedy = f"run zaponnx {command} --json on the models as they are"
                raise ArtifactError("pack", "is of none of the models", where=str(file), remedy=remedy)
    if request.report is not None and reported_model(request.report, "pack") not in packed:
        remedy = "run zaponnx report on one of them as it is"
        raise ArtifactError("pack", "is of none of the models", where=str(request.report), remedy=remedy)


def _write_test_data(request: Request, model: PackedModel, directory: Path) -> None:
    """Writes a model's test data sets, with the outputs of its function bodies on one thread of the CPU."""
    from zaponnx.calib.data import open_data

    path = request.models[model.name]
    source = open_data(
        request.data,
        load_model(path, "pack"),
        split="test",
        batch_size=1,
        preprocess=request.preprocess,
        seed=request.seed,
    )
    session = open_session(directory / model.file, session_options(threads=1), None, "pack", where=str(path))
    batches = itertools.islice(source, len(model.test_data))
    written = 0
    for place, batch in zip(model.test_data, batches, strict=False):
        inputs: Arrays = {port.name: batch.inputs[port.name] for port in model.description.inputs}
        names = [port.name for port in model.description.outputs]
        with ort_errors("pack", str(path)):
            outputs: list[npt.NDArray[Any]] = session.run(names, dict(inputs))
        write_test_set(directory / place, inputs, dict(zip(names, outputs, strict=True)))
        written += 1
    if written < len(model.test_data):
        problem = f"the data have {written} samples, for {len(model.test_data)} test sets"
        raise InvalidArgument("pack", problem, where=request.data, remedy=f"--test-sets {written}")


def _without_folders(spec: str) -> str:
    """A data SPEC that says nothing of where this machine has the data."""
    kind, colon, place = spec.partition(":")
    return f"{kind}{colon}{Path(place).name}"


def _listed(directory: Path) -> tuple[PackedFile, ...]:
    """The files of the package so far, in the order of their paths."""
    found = {path.relative_to(directory).as_posix(): path for path in directory.rglob("*") if path.is_file()}
    return tuple(PackedFile(name, path.stat().st_size, sha256(path)) for name, path in sorted(found.items()))
