"""ImageNet networks with seeded random weights, as `module:factory` sources for `zaponnx.export`.

Random weights alone let activations die or explode. So every layer is normalised on synthetic images: batch norms get
their statistics from them, and networks without batch norms have their convolutions scaled and shifted likewise. About
40 % of a ReLU's outputs are positive then, and a third to two thirds after a residual.

And independent weights tear patches apart, layer by layer, until a strided layer has nothing to predict. So the weights
of a kernel have half of their variance in common: then all layers save similar shares, as those of trained networks do.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.images import synthetic_images
from zaponnx.calib.torchvision_compat import torchvision_models

_IMAGES = 4
_SEED = 1
_MEAN = -0.25  # before a ReLU, in standard deviations


def resnet18() -> nn.Module:
    """ResNet-18, images (N, 3, 224, 224) to 1000 scores."""
    return _normalized("resnet18")


def vgg16() -> nn.Module:
    """VGG-16, likewise."""
    return _normalized("vgg16")


def alexnet() -> nn.Module:
    """AlexNet, likewise."""
    return _normalized("alexnet")


def _normalized(name: str) -> nn.Module:
    network: nn.Module = torchvision_models().get_model(name, weights=None)
    modules = list(network.modules())
    for module in modules:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.Conv2d):
            _blur(module.weight)
    norms = [module for module in modules if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # statistics become those of the images, not a moving average
        nn.init.constant_(norm.bias, _MEAN)
    convolutions = [] if norms else [module for module in modules if isinstance(module, nn.Conv2d)]
    hooks = [convolution.register_forward_hook(_normalize) for convolution in convolutions]
    for module in modules:
        module.training = isinstance(module, nn.BatchNorm2d)
    with torch.no_grad():
        network(torch.from_numpy(synthetic_images(_IMAGES, 224, _SEED)))
    for hook in hooks:
        hook.remove()
    return network.eval()


@torch.no_grad()
def _blur(weight: Tensor) -> None:
    """Takes half of the variance of weights (M, C, kH, kW) from values that are the same for a whole kernel."""
    common = torch.randn(weight.shape[0], weight.shape[1], 1, 1) * weight.std()
    weight.add_(common).mul_(math.sqrt(0.5))


def _normalize(convolution: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """A forward hook: gives the convolution's channels the mean and a standard deviation of 1, now and from now on."""
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    deviation, mean = torch.std_mean(output, dim=(0, 2, 3))
    convolution.weight.div_(deviation[:, None, None, None])
    convolution.bias.sub_(mean).div_(deviation).add_(_MEAN)
    result: Tensor = (output - mean[:, None, None]) / deviation[:, None, None] + _MEAN
    return result
