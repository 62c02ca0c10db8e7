"""What `pack` was asked for: reads its arguments and the files of what was measured, refuses what cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zaponnx.errors import InvalidArgument
from zaponnx.packaging import paths
from zaponnx.packaging.archive import SUFFIX
from zaponnx.packaging.measured import Accuracy, Speed, read_benchmark, read_evaluation

_MOST_TEST_SETS = 100
_RULE = "ASCII letters, digits, '.', '_' and '-'"


@dataclass(frozen=True)
class Request:
    """What is to be packed: the arguments of `pack`, checked as far as no model must be read for it.

    Attributes:
        models: The models' files, by what they are called.
        name, description, license, tags, data, test_sets, preprocess, seed: As in `pack`.
        accuracies, speeds: What was measured, by the file that says so and the hash of the model.
        report: The HTML file, if there is one.
        libraries: Native libraries, by platform.
    """

    models: Mapping[str, Path]
    name: str
    description: str
    license: str
    tags: tuple[str, ...]
    data: str
    test_sets: int
    preprocess: str | None
    seed: int
    accuracies: Mapping[Path, Mapping[str, Accuracy]]
    speeds: Mapping[Path, Mapping[str, Speed]]
    report: Path | None
    libraries: Mapping[str, Path]

    @classmethod
    def of(
        cls,
        models: Sequence[Path],
        *,
        output: Path,
        name: str | None,
        evaluations: Sequence[Path],
        benchmarks: Sequence[Path],
        test_sets: int,
        **others: Any,
    ) -> Request:
        """Checks the arguments, and reads what was measured.

        Raises:
            InvalidArgument, ArtifactError: As in `pack`.
        """
        called = name or output.resolve().name.removesuffix(SUFFIX)
        if not paths.is_name(called):
            raise InvalidArgument("pack", f"'{called}' cannot be a package's name", remedy=f"give --name: {_RULE}")
        if not 1 <= test_sets <= _MOST_TEST_SETS:
            raise InvalidArgument("pack", f"test-sets is {test_sets}, and must be from 1 to {_MOST_TEST_SETS}")
        return cls(
            models=_named(models),
            name=called,
            test_sets=test_sets,
            accuracies={file: read_evaluation(file, "pack") for file in evaluations},
            speeds={file: read_benchmark(file, "pack") for file in benchmarks},
            **others,
        )


def _named(models: Sequence[Path]) -> dict[str, Path]:
    """The models by what they are called."""
    if not models:
        raise InvalidArgument("pack", "no model is given")
    names = [path.name.removesuffix(".onnx").removesuffix(".zap") for path in models]
    for name, path in zip(names, models, strict=True):
        if not paths.is_name(name):
            raise InvalidArgument("pack", "its name cannot be a model's", where=str(path), remedy=f"use {_RULE}")
    files = [paths.model_path(name, first=index == 0) for index, name in enumerate(names)]
    if again := paths.twice(names) or paths.twice(files):
        problem = f"'{again}' would be there twice"
        raise InvalidArgument("pack", problem, remedy="give the models' files different names")
    return dict(zip(names, models, strict=True))
