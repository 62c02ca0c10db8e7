"""SPECs: what each kind yields, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from zaponnx.calib.data import DataSource, open_data
from zaponnx.calib.data.digits import digit_images
from zaponnx.errors import DataError, InvalidArgument

FedBy = Callable[..., onnx.ModelProto]


def everything(source: DataSource, name: str = "input") -> tuple[np.ndarray, np.ndarray | None]:
    """All samples and labels of one pass."""
    batches = list(source)
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return np.concatenate([batch.inputs[name] for batch in batches]), np.concatenate(labels) if labels else None


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Class folders with images of one brightness each: cat 51, dog 102 (two each); bird holds none."""
    for label, (name, value) in enumerate({"bird": 0, "cat": 51, "dog": 102}.items()):
        (tmp_path / name).mkdir()
        for index in range(2 if label else 0):
            Image.new("RGB", (50 + index, 40), (value, value, value)).save(tmp_path / name / f"{index}.png")
    return tmp_path


@pytest.mark.parametrize(("shape", "size"), [(["N", 3, 32, 32], (3, 32, 32)), (["N", 1, "H", "W"], (1, 32, 32))])
def test_digits_are_upsampled_to_the_model(fed_by: FedBy, shape: list[Any], size: tuple[int, ...]) -> None:
    images, labels = everything(open_data("digits", fed_by(input=shape), split="test"))
    assert images.shape == (360, *size)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == (-1, 1)
    assert labels is not None
    assert set(np.bincount(labels)) <= {34, 35, 36, 37}  # stratified


def test_digits_splits_have_no_image_in_common() -> None:
    splits = [digit_images(name)[0] for name in ("train", "calibration", "test")]
    assert [len(images) for images in splits] == [1078, 359, 360]
    assert len({image.tobytes() for images in splits for image in images}) == 1797


def test_only_digits_and_random_have_splits(fed_by: FedBy, folders: Path) -> None:
    model = fed_by(input=["N", 3, 8, 8])
    for spec, split in (("digits", "test"), ("random", "test"), (f"images:{folders}", None)):
        assert open_data(spec, model, split="test").split == split


def test_class_folders_give_labels_by_sorted_name(fed_by: FedBy, folders: Path) -> None:
    source = open_data(f"images:{folders}", fed_by(input=["N", 3, 20, 28]), split="test", preprocess="none")
    images, labels = everything(source)
    assert images.shape == (4, 3, 20, 28)
    assert labels is not None
    np.testing.assert_allclose(images.mean((1, 2, 3)), 0.2 * labels, atol=1e-6)
    assert sorted(labels) == [1, 1, 2, 2]


def test_a_flat_directory_has_no_labels_and_imagenets_normalisation_by_default(fed_by: FedBy, folders: Path) -> None:
    images, labels = everything(open_data(f"images:{folders / 'dog'}", fed_by(input=["N", 3, 8, 8]), split="test"))
    assert labels is None
    expected = (0.4 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(images[0, :, 4, 4], expected, atol=1e-6)


def test_images_are_cropped_to_the_centre(fed_by: FedBy, tmp_path: Path) -> None:
    pixels = np.zeros((64, 128), np.uint8)
    pixels[:, 40:88] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    model = fed_by(input=["N", 1, 56, 56])
    images, _ = everything(open_data(f"images:{tmp_path}", model, split="test", preprocess="0.5/0.25"))
    row = images[0, 0, 28]
    assert np.all(row[6:50] == 2)  # (255/255 - 0.5) / 0.25
    assert row[0] == row[-1] == -2


def test_npz_is_read_by_input_name_in_its_order(fed_by: FedBy, tmp_path: Path) -> None:
    left, right = np.arange(70, dtype=np.float32).reshape(70, 1), np.ones((70, 2, 2), np.float32)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "data.npz", left=left, right=right, labels=np.arange(70, dtype=np.uint8), unused=np.ones(3))
        model = fed_by(left=["N", 1], right=["N", 2, 2])
        source = open_data(f"npz:{tmp_path / 'data.npz'}", model, split="test", batch_size=16, samples=40)
        assert [batch.size for batch in source] == [16, 16, 8]
        values, labels = everything(source, "left")
        assert np.array_equal(values, left[:40])
        assert labels is not None
        assert labels.tolist() == list(range(40))
        assert source.length == 40


def test_a_script_yields_batches_with_and_without_labels(fed_by: FedBy, tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(
        "import numpy as np\n"
        "def plain():\n    yield from ({'input': np.full((3, 2), i, np.float32)} for i in range(3))\n"
        "def labelled():\n    return [(batch, [7, 8, 9]) for batch in plain()]\n"
    )
    model = fed_by(input=["N", 2])
    plain = open_data(f"py:{tmp_path / 'data.py'}:plain", model, split="test", batch_size=4)
    assert [batch.size for batch in plain] == [4, 4, 1]
    assert plain.length is None
    values, labels = everything(open_data(f"py:{tmp_path / 'data.py'}:labelled", model, split="test"))
    assert values[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert labels is not None
    assert labels.tolist() == [7, 8, 9] * 3


def test_random_is_seeded_and_differs_by_split(fed_by: FedBy) -> None:
    model = fed_by(input=["N", 3, 4, 4])
    first, _ = everything(open_data("random", model, split="test", samples=20, batch_size=7))
    again, labels = everything(open_data("random", model, split="test", samples=20))
    other, _ = everything(open_data("random", model, split="calibration", samples=20))
    assert first.shape == (20, 3, 4, 4)
    assert labels is None
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert open_data("random", model, split="test").length == 256


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("imagenet", {}, "unknown data 'imagenet'; use one of digits, images:DIR"),
        ("digits:0", {}, "unknown data 'digits:0'"),
        ("npz:", {}, "unknown data 'npz:'"),
        ("py:data.py", {}, "unknown data 'py:data.py'"),
        ("npz:nowhere.npz", {}, "there is no file 'nowhere.npz'"),
        ("images:nowhere", {}, "there is no directory 'nowhere'"),
        ("py:nowhere.py:f", {}, "there is no file 'nowhere.py'"),
        ("digits", {"split": "all"}, "unknown split 'all'; use one of calibration, test, train"),
        ("digits", {"samples": 0}, "samples is 0, and must be at least 1"),
        ("digits", {"batch_size": -1}, "batch size is -1"),
        ("digits", {"workers": -1}, "workers is -1, and must be at least 0"),
        ("digits", {"preprocess": "none"}, "'digits' takes no preprocessing"),
        ("images:.", {"preprocess": "resnet"}, "unknown preprocessing 'resnet'; use auto, torchvision:WEIGHTS, "),
        ("images:.", {"preprocess": "0.5/0"}, "unknown preprocessing '0.5/0'"),
        ("images:.", {"preprocess": "imagenet"}, "the normalisation is for 3 channels, not 1"),
    ],
)
def test_specs_and_options_that_cannot_be_right(
    fed_by: FedBy, spec: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        open_data(spec, fed_by(input=["N", 1, 8, 8]), **{"split": "test", **options})


def test_models_that_take_no_images(fed_by: FedBy) -> None:
    for model, message in (
        (fed_by(input=["N", 10]), r"input is float32 \[None, 10\], not a float image batch"),
        (fed_by(input=["N", 4, 8, 8]), "not a float image batch"),
        (fed_by(onnx.TensorProto.INT64, input=["N", 3, 8, 8]), "input is int64"),
        (fed_by(left=["N", 3, 8, 8], right=["N", 3, 8, 8]), "must have one input .* has: left, right"),
    ):
        with pytest.raises(DataError, match=message):
            open_data("digits", model, split="test")


def test_random_needs_float_inputs_of_known_size(fed_by: FedBy) -> None:
    with pytest.raises(DataError, match="fixed size of all dims but the batch"):
        open_data("random", fed_by(input=["N", 3, "H", "W"]), split="test")
    with pytest.raises(DataError, match="random data are floats, and the model wants int64"):
        open_data("random", fed_by(onnx.TensorProto.INT64, input=["N", 3]), split="test")


def test_directories_that_are_no_data_set(fed_by: FedBy, tmp_path: Path) -> None:
    model = fed_by(input=["N", 3, 8, 8])
    with pytest.raises(DataError, match="holds no images"):
        open_data(f"images:{tmp_path}", model, split="test")
    (tmp_path / "class").mkdir()
    (tmp_path / "image.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="holds both image files and folders"):
        open_data(f"images:{tmp_path}", model, split="test")
    (tmp_path / "class").rmdir()
    with pytest.raises(DataError, match=r"image\.png: cannot be read as an image"):
        list(open_data(f"images:{tmp_path}", model, split="test"))
    (tmp_path / "image.png").unlink()
    (tmp_path / "image.ppm").write_bytes(b"P6 2? 2 255\n" + bytes(12))  # int() raises a ValueError
    with pytest.raises(DataError, match=r"image\.ppm: cannot be read as an image"):
        list(open_data(f"images:{tmp_path}", model, split="test"))


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("nothing", InvalidArgument, "defines no function 'nothing'"),
        ("numbers", DataError, "yields a int as batch 0, not a dict of numpy arrays"),
        ("failing", DataError, "fails with KeyError: 'on purpose'"),
        ("leaving", DataError, "fails with SystemExit: gone"),
        ("ragged", DataError, "the labels of batch 0 are no array"),
        ("growing", DataError, "the batches differ in more than their numbers of samples"),
        ("empty", DataError, "there are no samples"),
    ],
)
def test_scripts_that_are_no_data(
    fed_by: FedBy, tmp_path: Path, function: str, error: type[Exception], message: str
) -> None:
    (tmp_path / "data.py").write_text(
        "import numpy as np\n"
        "def numbers():\n    yield 1\n"
        "def failing():\n    raise KeyError('on purpose')\n"
        "def leaving():\n    raise SystemExit('gone')\n"
        "def ragged():\n    yield {'input': np.ones((2, 2), np.float32)}, [[1], [1, 2]]\n"
        "def growing():\n    yield from ({'input': np.ones((2, i), np.float32)} for i in (2, 3))\n"
        "def empty():\n    return []\n"
    )
    with pytest.raises(error, match=message):
        list(open_data(f"py:{tmp_path / 'data.py'}:{function}", fed_by(input=["N", "M"]), split="test"))


def test_a_script_that_does_not_run(fed_by: FedBy, tmp_path: Path) -> None:
    for content, error in (("import no_such_module", "ModuleNotFoundError"), ("exit()", "SystemExit")):
        (tmp_path / "data.py").write_text(content)
        with pytest.raises(DataError, match=rf"data\.py: fails with {error}"):
            open_data(f"py:{tmp_path / 'data.py'}:f", fed_by(input=["N", 2]), split="test")
