"""Checks a package's models: each is valid, is what the manifest says, and gives the outputs of its test data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.errors import ArtifactError, ModelError
from zaponnx.models import first_line
from zaponnx.operator.schema import register_schemas
from zaponnx.packaging.contents import check_libraries
from zaponnx.packaging.describing import check_description
from zaponnx.packaging.manifest import Manifest, PackedModel
from zaponnx.packaging.native import this_platform
from zaponnx.packaging.paths import libraries
from zaponnx.packaging.test_sets import read_test_set
from zaponnx.progress import Progress
from zaponnx.providers import Provider
from zaponnx.runtime import open_session, ort_errors, register, register_library, session_options
from zaponnx.verification import has_library, relative_difference

TOLERANCE = 1e-3
"""The largest accepted difference from an output of the test data, relative to its largest value, as in ONNX's tests.

Rounding is far below. But a value within rounding of its threshold may be skipped or not, whatever computes it.
"""


@dataclass(frozen=True)
class CheckedModel:
    """How a model was checked.

    Attributes:
        name: The model.
        ran: What ran it: "function bodies" for plain ONNX Runtime, "library" for zaponnx's kernels, "package's library"
            for those in the package.
        difference: The largest difference from an output of its test data, relative to the output's largest value.
    """

    name: str
    ran: tuple[str, ...]
    difference: float


@dataclass(frozen=True)
class PackageCheck:
    """How a package was checked.

    Attributes:
        package: The package.
        manifest: What it consists of; every file was found to be what it says.
        providers: Of the sessions.
        tolerance: The largest difference that was accepted.
        models: Its models.
    """

    package: Path
    manifest: Manifest
    providers: tuple[str, ...]
    tolerance: float
    models: tuple[CheckedModel, ...]

    def to_json(self) -> dict[str, Any]:
        """As `zaponnx verify --json` prints it."""
        checked = {"providers": self.providers, "tolerance": self.tolerance, "models": list(map(asdict, self.models))}
        return {"package": str(self.package), **checked, "manifest": self.manifest.to_json()}


def check_models(
    directory: Path,
    manifest: Manifest,
    package: Path,
    providers: Sequence[Provider] | None,
    tolerance: float,
    progress: Progress,
    phase: str,
) -> PackageCheck:
    """Checks the models of a package whose files were checked.

    Args:
        directory: Where its files are.
        manifest: What they are.
        package: The package as the user knows it.
        providers: As in `zaponnx.InferenceSession`.
        tolerance: The largest accepted difference, as in `TOLERANCE`.
        progress: Called before each model.
        phase: The step on whose behalf it is done, for error messages.

    Raises:
        ArtifactError: Something is not what the manifest says, or an output is not that of the test data.
        ModelError: A model is not valid, or ONNX Runtime refuses it.
        RuntimeUnavailable: ONNX Runtime, the library or a provider is missing.
    """
    register_schemas()
    check_libraries(directory, manifest, phase)
    runners = _runners(directory, manifest)
    used: tuple[str, ...] = ()
    checked = []
    for done, model in enumerate(manifest.models):
        progress(f"checking {model.name}", done, len(manifest.models))
        check_description(directory / model.file, model.description, phase)
        _check_valid(directory / model.file, phase)
        differences = []
        for runner, prepare in runners.items():
            options = session_options()
            prepare(options)
            session = open_session(directory / model.file, options, providers, phase)
            used = tuple(session.get_providers())
            differences += [
                _difference(session, directory / sets, model, runner, tolerance, phase) for sets in model.test_data
            ]
        checked.append(CheckedModel(model.name, tuple(runners), max(differences)))
    return PackageCheck(package, manifest, used, tolerance, tuple(checked))


def _runners(directory: Path, manifest: Manifest) -> Mapping[str, Callable[[Any], None]]:
    """What runs the models, and what it takes to prepare its session options."""
    runners: dict[str, Callable[[Any], None]] = {"function bodies": lambda options: None}
    if has_library():
        runners["library"] = register
    packed = libraries(file.path for file in manifest.files).get(this_platform())
    if packed is not None:
        runners["package's library"] = lambda options: register_library(options, directory / packed)
    return runners


def _check_valid(path: Path, phase: str) -> None:
    """The full check of onnx.checker, shape inference included."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(phase, f"it is not valid: {first_line(error)}", where=str(path)) from error


def _difference(session: Any, directory: Path, model: PackedModel, runner: str, tolerance: float, phase: str) -> float:
    """The largest relative difference of a model's outputs from those of a test data set."""
    inputs, expected = read_test_set(directory, model.description.inputs, model.description.outputs, phase)
    if not any(_tests_something(values) for values in expected.values()):
        problem = "no expected output has a finite value, so that it tests nothing"
        raise ArtifactError(phase, problem, where=str(directory))
    with ort_errors(phase, str(directory)):
        outputs = session.run(list(expected), dict(inputs))
    largest = 0.0
    for name, output in zip(expected, outputs, strict=True):
        difference = _relative(expected[name], output)
        if not difference <= tolerance:
            problem = f"output '{name}' differs by {difference:.1e} of its largest value, run by the {runner}"
            raise ArtifactError(phase, f"{problem}; at most {tolerance:g} is accepted", where=str(directory))
        largest = max(largest, difference)
    return largest


def _tests_something(values: npt.NDArray[Any]) -> bool:
    return values.size > 0 and (values.dtype.kind in "OSU" or bool(np.isfinite(values).any()))


def _relative(expected: npt.NDArray[Any], actual: npt.NDArray[Any]) -> float:
    """As `zaponnx.verification.relative_difference`; text is the same or infinitely different."""
    if expected.dtype.kind in "OSU":
        return 0.0 if np.array_equal(expected, actual) else float("inf")
    return relative_difference(expected, actual)
