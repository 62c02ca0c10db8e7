"""The list of networks: a few of every family, each with the smallest images that do it justice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from benchmarks.images import synthetic_images
from zoo.exports import EXPORTERS, exported
from zoo.light import light_graph

SEED = 0
LIGHT = "onnx"
"""The origin of the light graphs, in place of an exporter."""

_BATCH = 2


@dataclass(frozen=True)
class Network:
    """A network of one origin.

    Attributes:
        name: The onnx package's or torchvision's.
        origin: LIGHT, or the exporter.
        size: Of the square images that it is run on.
        keywords: Of torchvision's builder.
    """

    name: str
    origin: str
    size: int
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def model(self) -> onnx.ModelProto:
        """The network with random weights, not normalized."""
        if self.origin == LIGHT:
            return light_graph(self.name, SEED)
        return exported(self.name, self.origin, self.size, SEED, **self.keywords)

    def images(self) -> npt.NDArray[np.float32]:
        """What to run it on, (N, 3, size, size): the light graphs prescribe a batch of one."""
        return synthetic_images(1 if self.origin == LIGHT else _BATCH, self.size, SEED)


_LIGHT_GRAPHS = (
    *("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"),
    *("vgg19", "zfnet512"),
)

_SEGMENTATION: Mapping[str, Any] = {"weights_backbone": None}

_TORCHVISION: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "alexnet": (96, {}),
    "vgg11": (64, {}),
    "vgg16_bn": (64, {}),
    "resnet18": (96, {}),
    "resnet50": (96, {}),
    "resnext50_32x4d": (96, {}),
    "wide_resnet50_2": (96, {}),
    "densenet121": (96, {}),
    "googlenet": (96, {"init_weights": False}),
    "inception_v3": (128, {"init_weights": False}),
    "squeezenet1_1": (96, {}),
    "mobilenet_v2": (96, {}),
    "mobilenet_v3_large": (96, {}),
    "mnasnet1_0": (96, {}),
    "shufflenet_v2_x1_0": (96, {}),
    "efficientnet_b0": (96, {}),
    "regnet_y_400mf": (96, {}),
    "convnext_tiny": (96, {}),
    "vit_b_16": (64, {"image_size": 64}),
    "fcn_resnet50": (96, _SEGMENTATION),
    "deeplabv3_resnet50": (96, _SEGMENTATION),
    "deeplabv3_mobilenet_v3_large": (96, _SEGMENTATION),
    "lraspp_mobilenet_v3_large": (96, _SEGMENTATION),
}

NETWORKS: Sequence[Network] = (
    *(Network(f"light_{name}", LIGHT, 224) for name in _LIGHT_GRAPHS),
    *(
        Network(name, exporter, size, keywords)
        for name, (size, keywords) in _TORCHVISION.items()
        for exporter in EXPORTERS
    ),
)
"""All of them, in the order of the report."""
