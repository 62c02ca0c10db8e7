"""Worker processes: a function over arguments, with results in their order however many processes there are."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from zaponnx.errors import DataError

_AHEAD = 4  # results per worker that may wait to be taken


Argument = TypeVar("Argument")
Result = TypeVar("Result")


def mapped(function: Callable[[Argument], Result], arguments: Iterable[Argument], workers: int) -> Iterator[Result]:
    """Yields the function of every argument, in their order.

    Args:
        function: Picklable if there are workers; each gets it once.
        arguments: Taken as the work goes on, a few ahead of what is yielded.
        workers: Processes; 0 calls the function in this one.

    Raises:
        DataError: A worker has died. What the function raises is raised here.
    """
    if not workers:
        yield from map(function, arguments)
        return
    # Processes that are forked from one with threads, as ONNX Runtime's, may hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, (function,)) as pool:
        pending: deque[Future[Any]] = deque()
        try:
            for argument in arguments:
                pending.append(pool.submit(_call, argument))
                if len(pending) > _AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            remedy = "use fewer --workers if memory is short; a script must be importable: guard its main part"
            raise DataError("data", "a worker process has died", remedy=remedy) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _start(function: Callable[[Any], Any]) -> None:
    """Readies a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is its parent's to handle
    _call.function = function  # type: ignore[attr-defined] # the only state that a worker has


def _call(argument: Any) -> Any:
    return _call.function(argument)  # type: ignore[attr-defined] # set by _start
