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
_SINGLE = ("convnext_tiny", "maxvit_t", "swin_t", "swin_v2_t", "vit_b_16")
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

_NEWER_OPSETS = {(name, TORCHSCRIPT): 17 for name in ("maxvit_t", "swin_t", "swin_v2_t", "vit_b_16")}

_SEGMENTATION: Mapping[str, Any] = {"weights_backbone": None}

_TORCHVISION: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "alexnet": (224, {}),
    "vgg16": (224, {}),
    "vgg11_bn": (224, {}),
    "resnet18": (96, {}),
    "resnet34": (96, {}),
    "resnet50": (96, {}),
    "resnext50_32x4d": (96, {}),
    "wide_resnet50_2": (96, {}),
    "densenet121": (96, {}),
    "googlenet": (96, {"init_weights": False}),
    "inception_v3": (224, {"init_weights": False}),
    "squeezenet1_0": (96, {}),
    "squeezenet1_1": (96, {}),
    "mobilenet_v2": (96, {}),
    "mobilenet_v3_large": (96, {}),
    "mobilenet_v3_small": (96, {}),
    "mnasnet1_0": (96, {}),
    "shufflenet_v2_x1_0": (96, {}),
    "efficientnet_b0": (96, {}),
    "efficientnet_v2_s": (96, {}),
    "regnet_x_400mf": (96, {}),
    "regnet_y_400mf": (96, {}),
    "convnext_tiny": (96, {}),
    "vit_b_16": (64, {"image_size": 64}),
    "swin_t": (96, {}),
    "swin_v2_t": (96, {}),
    "maxvit_t": (224, {}),
    "fcn_resnet50": (96, _SEGMENTATION),
    "fcn_resnet101": (96, _SEGMENTATION),
    "deeplabv3_resnet50": (96, _SEGMENTATION),
    "deeplabv3_resnet101": (96, _SEGMENTATION),
    "deeplabv3_mobilenet_v3_large": (96, _SEGMENTATION),
    "lraspp_mobilenet_v3_large": (96, _SEGMENTATION),
}

SIBLINGS: Mapping[str, Sequence[str]] = {
    "vgg16": ("vgg11", "vgg13", "vgg19"),
    "vgg11_bn": ("vgg13_bn", "vgg16_bn", "vgg19_bn"),
    "resnet50": ("resnet101", "resnet152"),
    "resnext50_32x4d": ("resnext101_32x8d", "resnext101_64x4d"),
    "wide_resnet50_2": ("wide_resnet101_2",),
    "densenet121": ("densenet161", "densenet169", "densenet201"),
    "mnasnet1_0": ("mnasnet0_5", "mnasnet0_75", "mnasnet1_3"),
    "shufflenet_v2_x1_0": ("shufflenet_v2_x0_5", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    "efficientnet_b0": tuple(f"efficientnet_b{number}" for number in range(1, 8)),
    "efficientnet_v2_s": ("efficientnet_v2_m", "efficientnet_v2_l"),
    "regnet_x_400mf": tuple(f"regnet_x_{size}" for size in ("800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    "regnet_y_400mf": tuple(f"regnet_y_{size}" for size in ("800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")),
    "convnext_tiny": ("convnext_small", "convnext_base", "convnext_large"),
    "vit_b_16": ("vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
    "swin_t": ("swin_s", "swin_b"),
    "swin_v2_t": ("swin_v2_s", "swin_v2_b"),
}
"""A network that is covered → torchvision's others of the same blocks: they have more or fewer layers and channels, or
larger patches."""

NETWORKS: Sequence[Network] = (
    *(Network(f"light_{name}", LIGHT, 9, 224) for name in _LIGHT_GRAPHS),
    *(
        Network(name, exporter, _NEWER_OPSETS.get((name, exporter), opset), size, keywords)
        for name, (size, keywords) in _TORCHVISION.items()
        for exporter, opset in _OPSETS.items()
    ),
)
"""All of them, in the order of the report."""
