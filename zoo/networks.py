"""The list of networks: all that torchvision has for classification and segmentation, each with small images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
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
_SINGLE = ("convnext_", "maxvit_", "swin_", "vit_")
"""The beginnings of the names of what the newer exporter cannot give a dynamic batch."""


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

    def model(self, directory: Path) -> onnx.ModelProto:
        """The network with random weights, not normalized; large ones are in an empty directory that is given."""
        if self.origin == LIGHT:
            return light_graph(self.name, SEED)
        file = directory / f"{self.name}.onnx"
        dynamic = not self.name.startswith(_SINGLE)
        return exported(
            self.name, self.origin, self.opset, self.size, SEED, file, dynamic_batch=dynamic, **self.keywords
        )

    def images(self) -> npt.NDArray[np.float32]:
        """What to run it on, (N, 3, size, size): the light graphs prescribe a batch of one."""
        batch = 1 if self.origin == LIGHT or self.name.startswith(_SINGLE) else _BATCH
        return synthetic_images(batch, self.size, SEED)


_LIGHT_GRAPHS = (
    *("bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet", "squeezenet"),
    *("vgg19", "zfnet512"),
)

_OPSETS = {DYNAMO: 18, TORCHSCRIPT: 11}
"""The newer exporter writes nothing older; the older one is asked for what needs upgrading."""

_NEWER_OPSETS = ("maxvit_", "swin_", "vit_")
"""The beginnings of the names of what the older one cannot write in that opset."""

_NEWER_OPSET = 17

_SIZE = 96
_SIZES = {"alexnet": 224, "vgg": 224, "inception_v3": 224, "maxvit_": 224, "vit_": 64, "vit_h_14": 56}
"""The beginning of a name → another size of images, where that one does not suit the network; the last counts."""

_KEYWORDS: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False},
    **{name: {"weights_backbone": None} for name in ("fcn_", "deeplabv3_", "lraspp_")},
}
"""The beginning of a name → what torchvision's builder is to be told."""

_TORCHVISION = (
    *("alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("googlenet", "inception_v3", "squeezenet1_0", "squeezenet1_1"),
    *("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
    *("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    *(f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0")),
    *(f"efficientnet_b{number}" for number in range(8)),
    *(f"efficientnet_v2_{size}" for size in "sml"),
    *(f"regnet_x_{work}" for work in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    *(f"regnet_y_{work}" for work in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *("vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32", "vit_h_14"),
    *("swin_t", "swin_s", "swin_b", "swin_v2_t", "swin_v2_s", "swin_v2_b", "maxvit_t"),
    *("fcn_resnet50", "fcn_resnet101", "deeplabv3_resnet50", "deeplabv3_resnet101"),
    *("deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"),
)


def _from_torchvision(name: str, exporter: str) -> Network:
    size = [_SIZE, *(size for start, size in _SIZES.items() if name.startswith(start))][-1]
    keywords = {
        key: value for start, each in _KEYWORDS.items() if name.startswith(start) for key, value in each.items()
    }
    if name.startswith("vit_"):
        keywords["image_size"] = size
    newer = exporter == TORCHSCRIPT and name.startswith(_NEWER_OPSETS)
    return Network(name, exporter, _NEWER_OPSET if newer else _OPSETS[exporter], size, keywords)


NETWORKS: Sequence[Network] = (
    *(Network(f"light_{name}", LIGHT, 9, 224) for name in _LIGHT_GRAPHS),
    *(_from_torchvision(name, exporter) for name in _TORCHVISION for exporter in _OPSETS),
)
"""All of them, in the order of the report."""
