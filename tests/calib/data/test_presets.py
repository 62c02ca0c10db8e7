"""torchvision's transforms as preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from zaponnx.calib.data import open_data
from zaponnx.calib.data.presets import WEIGHTS_KEY
from zaponnx.calib.torchvision_compat import torchvision_models
from zaponnx.errors import DataError, InvalidArgument

FedBy = Callable[..., onnx.ModelProto]

WEIGHTS = "ResNet50_Weights.IMAGENET1K_V2"  # they resize to 232, unlike our own preprocessing


@pytest.fixture
def picture(tmp_path: Path) -> Image.Image:
    """The only image of the directory."""
    pixels = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return Image.fromarray(pixels)


def test_the_transforms_are_those_of_the_weights(fed_by: FedBy, picture: Image.Image, tmp_path: Path) -> None:
    expected = torchvision_models().get_weight(WEIGHTS).transforms()(picture).numpy()
    named = {"preprocess": f"torchvision:{WEIGHTS}", "split": "test"}
    for shape in ([1, 3, 224, 224], ["N", 3, "H", "W"]):
        [batch] = open_data(f"images:{tmp_path}", fed_by(input=shape), **named)
        assert np.array_equal(batch.inputs["input"], expected[None])
    [workers] = open_data(f"images:{tmp_path}", fed_by(input=[1, 3, 224, 224]), **named, workers=1)
    assert np.array_equal(workers.inputs["input"], expected[None])


def test_auto_takes_the_weights_that_the_model_names(fed_by: FedBy, picture: Image.Image, tmp_path: Path) -> None:
    model = fed_by(input=["N", 3, 224, 224])
    with pytest.raises(InvalidArgument, match="does not say which of torchvision's weights it has; name them"):
        open_data(f"images:{tmp_path}", model, split="test", preprocess="auto")
    model.metadata_props.add(key=WEIGHTS_KEY, value=WEIGHTS)
    named, automatic = (
        next(iter(open_data(f"images:{tmp_path}", model, split="test", preprocess=preprocess)))
        for preprocess in (f"torchvision:{WEIGHTS}", "auto")
    )
    assert np.array_equal(named.inputs["input"], automatic.inputs["input"])


@pytest.mark.parametrize("weights", ["ResNet18_Weights.NONE", "ResNet18", "Pixels.DEFAULT", "os.path"])
def test_weights_that_torchvision_does_not_have(fed_by: FedBy, tmp_path: Path, weights: str) -> None:
    with pytest.raises(InvalidArgument, match=f"torchvision has no weights '{weights}'; use a name as in"):
        open_data(f"images:{tmp_path}", fed_by(input=[1, 3, 8, 8]), split="test", preprocess=f"torchvision:{weights}")


def test_transforms_that_do_not_suit_the_model(fed_by: FedBy, picture: Image.Image, tmp_path: Path) -> None:
    message = r"input 'input': .*_V2's transforms give \[3, 224, 224\], and the model takes \[3, 64, 64\]"
    with pytest.raises(DataError, match=message):
        open_data(f"images:{tmp_path}", fed_by(input=[1, 3, 64, 64]), split="test", preprocess=f"torchvision:{WEIGHTS}")
