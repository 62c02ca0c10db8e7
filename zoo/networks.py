"""The list of networks: a few of every family, each with small images, if it and torch's exporters allow them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from benchmarks.images import synthetic_images
from zoo.exports import DYNAMO, TORCHSCRIPT, exported
from zoo.light import light_graph

SEED = 0
LIGHT = "onnx"
"""The origin of the light graphs, in place of an exporter."""

_BATCH = 2
_SINGLE = ("convnext_tiny", "vit_b_16")
"""What the newer exporter cannot give a dynamic batch."""


@dataclass(frozen=True)
class Network:
    """A network of one origin.

    Attributes:
        name: The onnx package's or torchvision's.
        origin: LIGHT, or the exporter.
        opset: That it is exported with; a light graph has its own.
        size: Of the square images that it is run on.
        keywords: Of torchvision's builder.
    """

    name: str
    origin: str
    opset: int
    size: int
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Tells it apart from all others."""
        return f"{self.name}:{self.origin}"

    def model(self) -> onnx.ModelProto:
        """The network with random weights, not normalized."""
        if self.origin == LIGHT:
            return light_graph(self.name, SEED)
        dynamic = self.name not in _SINGLE
        return exported(self.name, self.origin, self.opset, self.size, SEED, dynamic_batch=dynamic, **self.keywords)

    def images(self) -> npt.NDArray[np.float32]:
        """What to run it on, (N, 3, size, size): the light graphs prescribe a batch of one."""
        batch = 1 if self.origin == LIGHT or self.name in _SINGLE else _BATCH
        return synthetic_images(batch, self.size, SEED)


_LIGHT_GRAPHS = (
    *("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"),
    *("vgg19", "zfnet512"),
)

_OPSETS = {DYNAMO: 18, TORCHSCRIPT: 11}
"""The newer exporter writes nothing older; the older one is asked for what needs upgrading."""

_NEWER_OPSETS = {("vit_b_16", TORCHSCRIPT): 17}

_SEGMENTATION: Mapping[str, Any] = {"weights_backbone": None}

_TORCHVISION: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "alexnet": (224, {}),
    "vgg11": (224, {}),
    "vgg16_bn": (224, {}),
    "resnet18": (96, {}),
    "resnet50": (96, {}),
    "resnext50_32x4d": (96, {}),
    "wide_resnet50_2": (96, {}),
    "densenet121": (96, {}),
    "googlenet": (96, {"init_weights": False}),
    "inception_v3": (224, {"init_weights": False}),
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
    *(Network(f"light_{name}", LIGHT, 9, 224) for name in _LIGHT_GRAPHS),
    *(
        Network(name, exporter, _NEWER_OPSETS.get((name, exporter), opset), size, keywords)
        for name, (size, keywords) in _TORCHVISION.items()
        for exporter, opset in _OPSETS.items()
    ),
)
"""All of them, in the order of the report."""
