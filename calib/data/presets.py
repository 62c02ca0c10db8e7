"""Presets: the transforms that torchvision keeps with its weights, for --preprocess auto and torchvision:WEIGHTS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx

from zaponnx.calib.data.inputs import ImageInput
from zaponnx.errors import DataError, InvalidArgument, RuntimeUnavailable, on_behalf_of

if TYPE_CHECKING:
    from PIL.Image import Image

WEIGHTS_KEY = "torchvision.weights"
"""In the metadata of a model that `export` wrote: torchvision's name of its weights."""


def recorded_weights(model: onnx.ModelProto) -> str:
    """The name of the weights that a model says it has.

    Raises:
        InvalidArgument: It says nothing.
    """
    names = [str(entry.value) for entry in model.metadata_props if entry.key == WEIGHTS_KEY]
    if not names:
        problem = "the model does not say which of torchvision's weights it has"
        remedy = "name them, as in --preprocess torchvision:ResNet18_Weights.IMAGENET1K_V1"
        raise InvalidArgument("data", problem, remedy=remedy)
    return names[0]


@dataclass(frozen=True)
class Preset:
    """The transforms of some weights.

    Attributes:
        weights: torchvision's name of them, as in "ResNet18_Weights.IMAGENET1K_V1".
    """

    weights: str

    @property
    def size(self) -> int:
        """The height and width that the transforms give; 224 where they do not say."""
        return int(getattr(_transforms(self.weights), "crop_size", [224])[0])

    def __call__(self, image: Image) -> npt.NDArray[np.float32]:
        """An image as (3, H, W)."""
        transformed: npt.NDArray[np.float32] = _transforms(self.weights)(image.convert("RGB")).numpy()
        return transformed

    def check(self, entry: ImageInput) -> None:
        """Raises DataError if the transforms give something else than the model takes."""
        from PIL import Image

        given = list(np.shape(self(Image.new("RGB", (64, 64)))))
        wanted = [entry.channels, entry.height, entry.width]
        if given != wanted:
            problem = f"{self.weights}'s transforms give {given}, and the model takes {wanted}"
            raise DataError("data", problem, where=f"input '{entry.name}'", remedy="use another --preprocess")


@cache
def _transforms(weights: str) -> Callable[[Image], Any]:
    try:
        from zaponnx.calib.torchvision_compat import torchvision_models
    except ImportError as error:
        problem = f"the preprocessing of {weights} needs torchvision"
        raise RuntimeUnavailable("data", problem, remedy="pip install 'zaponnx[calib]'") from error
    with on_behalf_of("data"):
        models = torchvision_models()
    try:
        transforms: Callable[[Image], Any] = models.get_weight(weights).transforms()
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        remedy = "use a name as in torchvision:ResNet18_Weights.IMAGENET1K_V1"
        raise InvalidArgument("data", f"torchvision has no weights '{weights}'", remedy=remedy) from error
    return transforms
