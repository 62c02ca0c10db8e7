"""The published operating points as presets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zaponnx.calib.paper.points import paper_point, paper_points
from zaponnx.errors import InvalidArgument
from zaponnx.patterns import Pattern


def test_there_are_eight_and_each_has_a_name_of_its_own() -> None:
    points = paper_points()
    assert len({point.name for point in points}) == len(points) == 8
    for point in points:
        assert paper_point(point.name) is point
        assert Pattern.parse(point.pattern).spec == point.pattern
        assert 0 < point.mac_saved_percent < 100 * (1 - Pattern.parse(point.pattern).share)
        assert point.top1_drop > point.top1_drop_finetuned > 0


def test_epsilon_may_be_left_out_where_there_is_one_point_only() -> None:
    assert paper_point("paper:resnet18-D").epsilon == 1.8
    assert paper_point("paper:vgg16-B-0.17").batch_size == 32
    with pytest.raises(InvalidArgument, match=r"is 2 operating points; use one of paper:vgg16-B-0.17, paper:vgg16-B-"):
        paper_point("paper:vgg16-B")
    with pytest.raises(InvalidArgument, match=r"unknown preset 'resnet18-D'; use one of paper:alexnet-D-0.38, "):
        paper_point("resnet18-D")


def test_the_benchmarks_save_what_was_published() -> None:
    file = Path(__file__).parents[3] / "benchmarks" / "operating_points.json"
    published = {(point.network, point.pattern, point.mac_saved_percent) for point in paper_points()}
    benchmarked = json.loads(file.read_text(encoding="utf-8"))["points"]
    imagenet = [point for point in benchmarked if point["network"] != "digits"]
    assert imagenet
    assert {(point["network"], point["pattern"], point["mac_saved_percent"]) for point in imagenet} <= published
