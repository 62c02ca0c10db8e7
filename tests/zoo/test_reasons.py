"""The classes of reasons: every reason has one at most."""

from __future__ import annotations

import re

import pytest

from zoo.reasons import CLASSES, reason_class, without_names


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("it is the first convolution of the network", "first"),
        ("its 9 MACs per output are too few to win back the predictor's 9", "cheap"),
        ("it is depthwise (one input channel in each group), which is faster dense", "depthwise"),
        ("it is the residual of '/layer1/conv', which has more MACs", "residual"),
        ("its output goes to Concat '/Concat_3', which is no ReLU", "no ReLU"),
        ("the output of Add 'a' goes to Conv 'b', which is no ReLU", "no ReLU"),
        ("its output goes to 12 nodes, and none of them is a ReLU", "no ReLU"),
        ("the output of Add 'a' is needed before its ReLU too, by Concat 'b'", "before the ReLU"),
        ("its output is an output of the model", "output"),
    ],
)
def test_each_has_its_class(reason: str, name: str) -> None:
    text = without_names(reason)
    found = reason_class(text)
    assert found is not None
    assert found.name == name
    assert sum(bool(re.fullmatch(each.pattern, text)) for each in CLASSES) == 1


def test_a_reason_that_nobody_explained_has_none() -> None:
    assert reason_class("its weights are purple") is None
