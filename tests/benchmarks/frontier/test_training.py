from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.frontier import training
from benchmarks.frontier.shapes import SHAPES, SPLITS
from benchmarks.frontier.training import shapes_network, train_shapes_network


class Interrupted(Exception):
    pass


def tiny_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, len(SHAPES)))


def test_goes_on_after_an_interrupt_as_if_there_had_been_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(training, "shapes_network", tiny_network)
    monkeypatch.setitem(SPLITS, "train", 3 * 48)
    monkeypatch.setattr(training, "_STEPS", 3)
    monkeypatch.setattr(training, "_KEPT_EVERY", 1)
    steps = []

    def interrupt(step: str, done: int, total: int | None) -> None:
        steps.append(done)
        if steps == [1, 2]:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_shapes_network(tmp_path / "interrupted.pt", interrupt)
    resumed = train_shapes_network(tmp_path / "interrupted.pt", interrupt)
    assert steps == [1, 2, 3]
    whole = train_shapes_network(tmp_path / "whole.pt")
    for one, other in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.equal(whole[0].weight, tiny_network()[0].weight)


def test_the_network_is_torchvisions_resnet18() -> None:
    network = shapes_network().eval()
    assert type(network).__name__ == "ResNet"
    assert sum(parameter.numel() for parameter in network.parameters()) == 11_689_512 - 513 * (1000 - len(SHAPES))
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, len(SHAPES))
