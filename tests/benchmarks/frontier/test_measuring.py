from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import zaponnx
from benchmarks.frontier import measuring
from benchmarks.frontier.measuring import DROP, Frontier, Measuring, Point
from benchmarks.frontier.methods import METHODS, PLAIN, Method
from benchmarks.frontier.networks import Images, Network
from benchmarks.images import synthetic_images
from zaponnx.artifacts import OperatingPoint
from zaponnx.calib.paper.points import paper_point
from zaponnx.progress import Progress
from zaponnx.runtime import InferenceSession

SOURCE = """
import torch
from torch import nn

def build():
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()]
    for _ in range(2):
        layers += [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 3))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty one, and a plain way to measure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            METHODS, "default", Method("one threshold per layer", {"refine_steps": 0}, {"granularity": "layer"})
        )
        yield tmp_path_factory.mktemp("frontier")


@pytest.fixture(scope="module")
def tiny(cache: Path) -> Network:
    """A network that is right about all images, since it has named them itself."""
    (cache / "frontier_network.py").write_text(SOURCE)

    def export(path: Path, progress: Progress) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(cache)
            zaponnx.export("frontier_network:build", path, input_shape=(1, 3, 16, 16))

    def images(split: str, seed: int) -> Images:
        drawn = synthetic_images(64, 16, seed=2 * seed + (split == "test"))
        scores = InferenceSession(cache / "tiny" / "model.onnx").run(None, {"input": drawn})[0]
        return drawn, scores.argmax(axis=1).astype(np.int64)

    return Network("tiny", "a tiny one", export, images, {"epochs": 1})


@pytest.fixture(scope="module")
def found(tiny: Network, cache: Path) -> Frontier:
    return Measuring(tiny, 0, cache).frontier("default")


def test_measures_from_less_to_more_lost_and_where_the_drop_is(found: Frontier) -> None:
    assert found.dense == 1
    goals = [point.goal for point in found.points]
    assert goals == sorted(set(goals))
    assert min(found.lost) <= DROP or 0.05 in goals
    assert max(found.lost) > DROP
    assert 0 < found.saving < 0.5
    assert sum(point.goal not in np.arange(1, 13) / 20 for point in found.points) == 1
    for point in found.points:
        assert point.saved == pytest.approx(point.goal, abs=0.1)  # other images than those of the calibration


def test_calibrations_are_named_by_their_keywords(cache: Path, found: Frontier) -> None:
    assert [path.name for path in (cache / "tiny").glob("*.zapcal")] == ["calibrated-refine_steps-0-0.zapcal"]


def test_what_was_measured_is_not_measured_again(
    tiny: Network, cache: Path, found: Frontier, monkeypatch: pytest.MonkeyPatch
) -> None:
    for function in ("export", "calibrate", "fit", "convert", "eval", "finetune"):
        monkeypatch.setattr(zaponnx, function, None)
    assert Measuring(tiny, 0, cache).frontier("default") == found
    with pytest.raises(TypeError):
        Measuring(tiny, 1, cache).frontier("default")


def test_goes_on_where_it_was_interrupted(tiny: Network, cache: Path, found: Frontier) -> None:
    record = cache / "tiny" / "default-0.points.json"
    points = json.loads(record.read_text())
    record.write_text(json.dumps(points[1:2]))
    assert Measuring(tiny, 0, cache).frontier("default") == found


def test_fine_tuning_is_measured_apart(tiny: Network, cache: Path, found: Frontier) -> None:
    tuned = Measuring(tiny, 0, cache).frontier("default", finetuning="default", begin=found.goal)
    assert tuned.finetuning == "default"
    assert min(tuned.lost) <= DROP or tuned.points[0].goal <= 0.05
    assert max(tuned.lost) > DROP or tuned.points[-1].goal > 0.45
    assert [path.name for path in cache.rglob("*finetuned*")] == ["default-finetuned-default-0.points.json"]
    assert Measuring(tiny, 0, cache).frontier("default") == found


def test_what_to_ask_for_is_read_off_the_points() -> None:
    points = tuple(Point(goal, goal - 0.05, 1 - 0.1 * goal) for goal in (0.05, 0.1, 0.15))
    found = Frontier("net", "plain", 0, None, 1.0, points)
    assert found.saving == pytest.approx(0.05)
    assert found.goal == pytest.approx(0.1)


def test_goals_end_where_the_methods_thresholds_do(tiny: Network, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond them there is only the point without predictors, which the method has not chosen."""
    monkeypatch.setitem(METHODS, "bounded", METHODS["default"])
    points = [OperatingPoint(saved, saved, saved, {}) for saved in (0.0, 0.12, 0.12, 0.5)]
    fit = SimpleNamespace(points=points)
    monkeypatch.setattr(measuring, "load_fit", lambda path, phase: fit)
    monkeypatch.setattr(measuring, "DROP", 1)
    assert [point.goal for point in Measuring(tiny, 0, cache).frontier("bounded", begin=0).points] == [0.05, 0.1, 0.12]


def test_fine_tunes_as_the_network_or_the_methods_publication_has_it(
    tiny: Network, cache: Path, found: Frontier, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = []

    def finetune(model: Path, data: str, output: Path, **keywords: object) -> None:
        settings.append(keywords)
        output.write_bytes(model.read_bytes())

    monkeypatch.setattr(zaponnx, "finetune", finetune)
    monkeypatch.setitem(METHODS, "default", replace(METHODS["default"], published={"preset": "paper:resnet18-B"}))
    measured = Measuring(tiny, 0, cache)
    measured._point("default", 0.1, None)
    measured._point("default", 0.1, "default")
    measured._point("default", 0.1, "published")
    assert settings == [{"seed": 0, "epochs": 1}, {"seed": 0, "preset": "paper:resnet18-B"}]


@pytest.mark.parametrize("method", PLAIN)
def test_what_was_published_is_a_preset(method: str) -> None:
    point = paper_point(METHODS[method].published["preset"])
    assert point.pattern == METHODS[method].calibration["pattern"]
