"""reproduce: on a small stand-in for ImageNet, with a small network in place of the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zaponnx
from zaponnx import measurement_tables
from zaponnx.calib.paper.points import PaperPoint
from zaponnx.errors import DataError, InvalidArgument

POINT = PaperPoint(
    network="stand_in:make",
    pattern="D",
    epsilon=1.0,
    mac_saved_percent=34.0,
    top1_drop=12.35,
    top1_drop_finetuned=7.22,
    top5_drop=8.37,
    top5_drop_finetuned=4.66,
    lr=1e-4,
    weight_decay=1e-4,
    batch_size=8,
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of noise, laid out as ImageNet is: eight images each to train on, four each to validate."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 4)):
        for name in ("n01", "n02"):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 256, (20, 24, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.jpeg")
    return tmp_path / "images"


@pytest.fixture
def preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A point of a network of the test's own."""
    (tmp_path / "stand_in.py").write_text(
        "from torch.nn import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU, Sequential\n"
        "def make():\n"
        "    layers = [Conv2d(3, 8, 3, padding=1), ReLU(), Conv2d(8, 8, 3, padding=1), ReLU()]\n"
        "    return Sequential(*layers, AdaptiveAvgPool2d(1), Flatten(), Linear(8, 10))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zaponnx.calib.paper.points.paper_points", lambda: (POINT,))
    return POINT.name


def test_the_table_on_a_stand_in(images: Path, preset: str, tmp_path: Path) -> None:
    output = tmp_path / "made" / "here"
    result = zaponnx.reproduce(images, output, preset=preset, weights="random", input_size=16)
    (point,) = result.points
    assert (result.images, point.published) == (8, POINT)
    assert 0 < point.mac_saved < 0.67
    assert point.drops[0] == pytest.approx(100 * (point.dense.top1 - point.converted.top1))
    assert point.drops[3] == pytest.approx(100 * (point.dense.top5 - point.finetuned.top5))
    assert measurement_tables.reproduce(result).splitlines()[2].split()[:5] == [
        preset,
        "34.0",
        "%",
        f"({100 * point.mac_saved:.1f}",
        "%)",
    ]
    assert "RANDOM WEIGHTS" in measurement_tables.reproduce(result)
    made = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    names = {"stand_in:make.onnx", "stand_in:make-D.zapcal", "stand_in:make-D.zapfit.json", "settings.json"}
    assert {path.name for path in made} == names | {
        f"stand_in:make-D-1.{suffix}" for suffix in ("zap.onnx", "finetuned.zap.onnx")
    }
    next(path for path in made if path.name.endswith("finetuned.zap.onnx")).unlink()
    again = zaponnx.reproduce(images, output, preset=preset, weights="random", input_size=16)
    assert again == result
    assert [path.name for path in made if path.stat().st_mtime_ns != made[path]] == [
        "stand_in:make-D-1.finetuned.zap.onnx"
    ]


def test_a_directory_of_other_settings_is_refused(images: Path, preset: str, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "settings.json").write_text('{"seed": 5}')
    with pytest.raises(InvalidArgument, match=r"made: holds what was made with \{'seed': 5\}; give another"):
        zaponnx.reproduce(images, tmp_path / "made", preset=preset)
    with pytest.raises(InvalidArgument, match=r"cannot be used \(.*exist"):
        zaponnx.reproduce(images, images / "train" / "n01" / "0.jpeg", preset=preset)


def test_layouts_that_are_not_imagenet_s(images: Path, tmp_path: Path) -> None:
    def problem() -> str:
        with pytest.raises(DataError) as caught:
            zaponnx.reproduce(images, tmp_path / "made")
        assert not (tmp_path / "made").exists()
        return str(caught.value)

    (images / "val" / "n02").rename(images / "val" / "n03")
    assert "only one of train and val has the class 'n02'" in problem()
    (images / "val").rename(images / "test")
    assert "there is no directory 'val'; give a directory with train and val, each with" in problem()
    (images / "val").mkdir()
    assert f"{images / 'val'}: there are no folders of classes" in problem()


def test_names_that_are_not_known(images: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="unknown weights 'best'; use DEFAULT or random"):
        zaponnx.reproduce(images, tmp_path / "made", weights="best")
    with pytest.raises(InvalidArgument, match="unknown preset 'paper:lenet'"):
        zaponnx.reproduce(images, tmp_path / "made", preset=["paper:resnet18-D", "paper:lenet"])
