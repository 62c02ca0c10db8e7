"""The convolutions of the networks, with inputs of 224 x 224."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A convolution with its ReLU, square in all respects.

    Attributes:
        inputs, outputs: Channels.
        size: Height and width of X.
        kernel, stride, pad: Of the convolution.
        residual: Whether a residual is added before the ReLU.
        predicted: Whether it becomes a ZapConv; the first of a network and 1 x 1 convolutions do not.
        relu: Whether there is a ReLU.
    """

    inputs: int
    outputs: int
    size: int
    kernel: int = 3
    stride: int = 1
    pad: int = 1
    residual: bool = False
    predicted: bool = True
    relu: bool = True

    @property
    def output_size(self) -> int:
        """Height and width of Y."""
        return (self.size + 2 * self.pad - self.kernel) // self.stride + 1

    @property
    def macs(self) -> int:
        """Dense multiply-accumulates of one image."""
        return self.inputs * self.outputs * self.kernel**2 * self.output_size**2

    @property
    def name(self) -> str:
        """As in "3×3 64→128 /2, 56×56, + Z", the extents those of X."""
        stride = f" /{self.stride}" if self.stride > 1 else ""
        size = f"{self.size}×{self.size}"
        return f"{self.kernel}×{self.kernel} {self.inputs}→{self.outputs}{stride}, {size}{', + Z' * self.residual}"


def resnet18() -> list[Shape]:
    """The stem, and four stages of two blocks of two convolutions, the second with the residual."""
    shapes = [Shape(3, 64, 224, 7, 2, 3, predicted=False)]
    for inputs, outputs, size, stride in ((64, 64, 56, 1), (64, 128, 56, 2), (128, 256, 28, 2), (256, 512, 14, 2)):
        after = Shape(outputs, outputs, size // stride, residual=True)
        shapes += [Shape(inputs, outputs, size, stride=stride), after]
        if stride > 1:
            shapes.append(Shape(inputs, outputs, size, 1, stride, 0, predicted=False, relu=False))
        shapes += [Shape(outputs, outputs, size // stride), after]
    return shapes


def vgg16() -> list[Shape]:
    """Thirteen convolutions in five stages."""
    shapes = []
    inputs = 3
    for outputs, count, size in ((64, 2, 224), (128, 2, 112), (256, 3, 56), (512, 3, 28), (512, 3, 14)):
        for _ in range(count):
            shapes.append(Shape(inputs, outputs, size, predicted=inputs > 3))
            inputs = outputs
    return shapes


def alexnet() -> list[Shape]:
    """Five convolutions, as torchvision has them."""
    return [
        Shape(3, 64, 224, 11, 4, 2, predicted=False),
        Shape(64, 192, 27, 5, 1, 2),
        Shape(192, 384, 13),
        Shape(384, 256, 13),
        Shape(256, 256, 13),
    ]


NETWORKS = {"resnet18": resnet18, "vgg16": vgg16, "alexnet": alexnet}
"""By the names of operating_points.json."""
