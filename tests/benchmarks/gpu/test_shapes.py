"""The networks' convolutions, against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmarks.gpu.shapes import NETWORKS, Shape
from benchmarks.points import read_points
from zaponnx.calib.torchvision_compat import torchvision_models


@pytest.mark.parametrize("network", NETWORKS)
def test_the_convolutions_are_torchvisions(network: str) -> None:
    """In their order, but for those beside a residual; what is computed of them on images of 224 x 224, too."""
    found: list[tuple[int, ...]] = []

    def record(conv: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        assert isinstance(conv, nn.Conv2d)
        extents = (inputs[0].shape[-1], conv.kernel_size[0], conv.stride[0], conv.padding[0], output.shape[-1])
        found.append((conv.in_channels, conv.out_channels, *map(int, extents)))

    with torch.device("meta"):
        model = torchvision_models().get_model(network, weights=None)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(record)
        model.eval()(torch.empty(1, 3, 224, 224))
    shapes = NETWORKS[network]()
    ours = [
        (shape.inputs, shape.outputs, shape.size, shape.kernel, shape.stride, shape.pad, shape.output_size)
        for shape in shapes
    ]
    assert sorted(ours) == sorted(found)
    assert sum(shape.predicted for shape in shapes) == {"resnet18": 16, "vgg16": 12, "alexnet": 4}[network]
    assert not shapes[0].predicted


def test_every_network_has_operating_points() -> None:
    assert read_points().keys() >= NETWORKS.keys()


def test_work_and_name() -> None:
    shape = Shape(64, 128, 56, stride=2)
    assert (shape.output_size, shape.macs) == (28, 64 * 128 * 9 * 28 * 28)
    assert shape.name == "3×3 64→128 /2, 56×56"
    assert Shape(64, 64, 56, residual=True).name == "3×3 64→64, 56×56, + Z"
