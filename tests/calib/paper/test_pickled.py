"""Pickles as data: what numpy and Python write is read, and nothing is run."""

from __future__ import annotations

import os
import pickle
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zaponnx.calib.paper.pickled import UnsafePickle, read_plain_pickle


class Runs:
    """What a hostile pickle does."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def numbers_of(dtype: str) -> bytes:
    """A pickle of one of numpy's numbers, of any type."""
    code = b"X%c\x00\x00\x00%s" % (len(dtype), dtype.encode())
    return pickle.dumps(np.float64(1), 3).replace(b"X\x02\x00\x00\x00f8", code)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_numbers_of_python_and_numpy_in_every_protocol(protocol: int) -> None:
    thresholds = OrderedDict()
    thresholds[np.float64(0.1)] = [0.25, -1, np.float64(0.5), np.float32(1.5), 2**70]
    thresholds[0.2] = np.array([0.125, np.inf])
    thresholds[np.float64(0.3)] = (np.array([1, -2], ">i4"), True, None, "text", b"\x00\xff")
    assert read_plain_pickle(pickle.dumps(thresholds, protocol)) == {
        0.1: [0.25, -1, 0.5, 1.5, 2**70],
        0.2: [0.125, np.inf],
        0.3: ([1, -2], True, None, "text", b"\x00\xff"),
    }


def test_numpy_before_its_second_version() -> None:
    """Its private modules had other names."""
    content = pickle.dumps({np.float64(0.5): [1.0]}, 3).replace(b"numpy._core.", b"numpy.core.")
    assert b"numpy.core.multiarray" in content
    assert read_plain_pickle(content) == {0.5: [1.0]}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    for hostile in (Runs(mark), {0.1: [Runs(mark)]}, {"a": np.array([Runs(mark)], object)}):
        with pytest.raises(UnsafePickle, match=r"posix\.system, which is not run|type 'O8'"):
            read_plain_pickle(pickle.dumps(hostile, protocol))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (pickle.dumps(Counter([1])), r"collections\.Counter"),
        (pickle.dumps(print), r"builtins\.print"),
        (pickle.dumps(np.ndarray), r"holds numpy\.ndarray"),
        (pickle.dumps(np.array(["text"])), "type 'U4'"),
        (pickle.dumps({1, 2}), "the opcode EMPTY_SET"),
        (b"cnumpy\ndtype\n)R.", r"calls numpy\.dtype in a way"),
        (b"(i__builtin__\neval\n.", "the opcode INST"),
        (b"(c__builtin__\neval\no.", "__builtin__.eval"),
        (b"}]K\x01s.", "a key is no number"),
        (b"}K\x01\x85K\x01s.", "a key is no number"),
        (numbers_of("f8,(,,)f8"), r"type 'f8,\(,,\)f8'"),
        (b"]K\x01K\x02s.", "uses a list as a dict"),
        (b"K\x01}b.", "gives a state to a int"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.", "is no pickle"),
        (b"", "is no pickle"),
        (b"no pickle", "is no pickle"),
        (b".", "is no pickle"),
        (b"u.", "is no pickle"),
        (b"h\x07.", "is no pickle"),
        (b"(.", "holds no data"),
        (pickle.dumps([1.0, 2.0])[:-4], "is no pickle"),
        (b"]" + b"q\x00h\x00a.", "is no pickle"),
    ],
)
def test_everything_else_is_refused_by_name(content: bytes, problem: str) -> None:
    with pytest.raises(UnsafePickle, match=problem):
        read_plain_pickle(content)


def test_small_pickles_of_much_are_refused_at_once() -> None:
    """Lists that are twice in the next one each; such tuples as keys, which are hashed; marks, which are sought."""
    nested: Any = [1.0]
    for _ in range(60):
        nested = [nested, nested]
    with pytest.raises(UnsafePickle, match="it holds more than 1,000,000 values"):
        read_plain_pickle(pickle.dumps({0.1: nested}))
    many = [1.0] * 2000
    with pytest.raises(UnsafePickle, match="it holds more than 1,000,000 values"):
        read_plain_pickle(pickle.dumps({0.1: [many] * 2000}))
    pairs = b"K\x01\x85q\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
    with pytest.raises(UnsafePickle, match="a key is no number"):
        read_plain_pickle(pairs + b"}h\x3cK\x01s.")
    assert read_plain_pickle(b"(" * 20_000 + b"(t" * 20_000 + b".") == ()
