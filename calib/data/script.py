"""`py:FILE.py:function`: a function of the user's, called without arguments for every pass, that yields batches.

A batch is a dict of arrays keyed by the model's input names, or a tuple of such a dict and the labels.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zaponnx.calib.data.batch import Batch
from zaponnx.errors import DataError, InvalidArgument


def load_function(file: Path, name: str) -> Callable[[], Iterable[Any]]:
    """Runs the file and returns its function `name`.

    Raises:
        DataError: The file does not run.
        InvalidArgument: It defines no such function.
    """
    specification = importlib.util.spec_from_file_location(f"zaponnx_data_{file.stem}", file)
    if specification is None or specification.loader is None:
        raise InvalidArgument("data", "is no Python file", where=str(file), remedy="name a file that ends in .py")
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise DataError("data", f"fails with {type(error).__name__}: {error}", where=str(file)) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise InvalidArgument("data", f"defines no function '{name}'", where=str(file))
    checked: Callable[[], Iterable[Any]] = function
    return checked


def read_script(function: Callable[[], Iterable[Any]], where: str) -> Iterator[Batch]:
    """One pass over what the function yields."""
    items = _items(function, where)
    for number, item in enumerate(items):
        inputs, labels = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
        if not isinstance(inputs, dict) or not all(isinstance(array, np.ndarray) for array in inputs.values()):
            problem = f"yields a {type(item).__name__} as batch {number}, not a dict of numpy arrays or (dict, labels)"
            raise DataError("data", problem, where=where)
        yield Batch(inputs, None if labels is None else _labels(labels, number, where))


def _labels(labels: Any, number: int, where: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(labels)
    except ValueError as error:  # a ragged sequence
        raise DataError("data", f"the labels of batch {number} are no array ({error})", where=where) from error


def _items(function: Callable[[], Iterable[Any]], where: str) -> Iterator[Any]:
    try:
        yield from function()
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise DataError("data", f"fails with {type(error).__name__}: {error}", where=where) from error
