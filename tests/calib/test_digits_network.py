"""The digits network; what it learns is tested end to end."""

from __future__ import annotations

import torch

from zaponnx.calib.digits_network import DigitsNetwork


def test_it_has_eight_predictable_layers_of_32_to_128_channels() -> None:
    convs = [module for module in DigitsNetwork().modules() if isinstance(module, torch.nn.Conv2d)]
    predictable = [conv for conv in convs[1:] if conv.kernel_size == (3, 3)]
    assert [conv.out_channels for conv in predictable] == [32, 32, 64, 64, 64, 64, 128, 128]
