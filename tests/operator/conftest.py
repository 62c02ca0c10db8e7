"""Models of one ZapConv, and what the formula gives for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.formula import Expected, formula
from tests.operator.case import Case


@pytest.fixture
def make_case() -> type[Case]:
    """The constructor of Case: make_case(channels=8, pattern="C", ...)."""
    return Case


@pytest.fixture
def expect() -> Callable[[Case], Expected]:
    """What the formula gives for a Case."""
    return lambda case: formula(case.attributes(), case.inputs())
