"""Properties of ZapConv itself, of any geometry: the kernels give the formula, the same bits in all they may choose."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.formula import Array, formula
from tests.operator.case import Case
from zaponnx.runtime import open_session, register, session_options

PATTERNS = ("B", "A", "C", "D", "1", "0000100001/1000010000/0010000100", "0/1")
"""Those of the paper, all outputs, a tile larger than most maps, and one with an empty row."""

THRESHOLDS = (0.0, 0.5, -0.5, 3.0, -3.0, math.inf, -math.inf)

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def cases(draw: Draw) -> Case:
    """ZapConvs of any geometry, on maps that the kernel reaches over at least once."""

    def one_of(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    kernel = one_of((3, 3), (1, 1), (5, 5), (1, 3), (4, 2), (7, 7))
    dilations = one_of((1, 1), (1, 1), (2, 2), (1, 3))
    reach = [(kernel[a] - 1) * dilations[a] + 1 for a in range(2)]
    pads = one_of(tuple((r - 1) // 2 for r in (*reach, *reach)), None)
    if pads is None:
        pads = tuple(draw(st.integers(0, r)) for r in (*reach, *reach))
    size = tuple(max(draw(st.integers(1, 33)), reach[a] - pads[a] - pads[a + 2]) for a in range(2))
    group = one_of(1, 1, 2, 3)
    channels = group * one_of(4, 1, 8, 17)
    pattern = one_of(*PATTERNS)
    # Winograd's filtering, which may compute all outputs, lets a NaN reach those of the same tile.
    poison = {} if pattern == "1" else one_of({}, {}, {"X": math.nan}, {"X": math.inf}, {"B": math.nan})
    return Case(
        batch=one_of(1, 2, 0),
        in_channels=group * one_of(4, 1, 9, 40),
        channels=channels,
        size=size,
        kernel=kernel,
        strides=one_of((1, 1), (1, 1), (2, 2), (1, 3)),
        pads=pads,
        dilations=dilations,
        group=group,
        pattern=pattern,
        threshold=tuple(one_of(*THRESHOLDS) for _ in range(one_of(1, channels))),
        bound=one_of(math.inf, 6.0, 0.5),
        residual=one_of(False, True),
        nhwc=one_of(False, True),
        poison=poison,
    )


@given(cases(), st.sampled_from(["", "scalar"]))
def test_kernels_are_the_formula(case: Case, isa: str) -> None:
    """Sums of up to 40 · 49 products: a float32 rounding of 6e-8 each, and Winograd's, of the largest value."""
    actual = in_nchw(case, run(case, isa=isa))
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        expected = formula(case.attributes(), case.inputs())
        sizes = np.abs([*expected.result[np.isfinite(expected.result)], 1.0])
        expected.assert_matches(actual, tolerance=2e-5 * max(sizes))


@given(cases())
def test_layouts_and_threads_give_the_same_bits(case: Case) -> None:
    expected = in_nchw(case, run(case))
    np.testing.assert_array_equal(in_nchw(case, run(case, threads=3)), expected)
    other = Case(**{**vars(case), "nhwc": not case.nhwc})
    np.testing.assert_array_equal(in_nchw(other, run(other)), expected)


def run(case: Case, *, isa: str = "", threads: int = 1) -> Array:
    """Y by the library's kernels of an instruction set, the best if none is named."""
    options = session_options(threads=threads)
    with mock.patch.dict(os.environ, {"ZAPONNX_ISA": isa} if isa else {}):
        register(options)
        session = open_session(case.model(body=False).SerializeToString(), options, ["cpu"], "test")
    return np.asarray(session.run(None, case.fed())[0])


def in_nchw(case: Case, y: Array) -> Array:
    return y.transpose(0, 3, 1, 2) if case.nhwc else y
