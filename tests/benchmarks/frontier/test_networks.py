from pathlib import Path

import numpy as np
import pytest

from benchmarks.frontier import networks
from benchmarks.frontier.networks import NETWORKS, Network, moved_digits
from benchmarks.frontier.shapes import SHAPES
from zaponnx.calib.data.digits import digit_images, upsampled
from zaponnx.progress import silent


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_images_belong_to_a_split_and_a_seed(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    for split in networks._COUNTS:
        monkeypatch.setitem(networks._COUNTS, split, 48)
    images, labels = network.images("calibration", 1)
    again, labels_again = network.images("calibration", 1)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, labels_again)
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    others = [network.images("calibration", 2)[0], network.images("train", 1)[0]]
    seen = {image.tobytes() for image in images}
    for other in others:
        shared = sum(image.tobytes() in seen for image in other)
        assert shared < len(images) / 20  # a digit may be moved to the same place again
    assert len(set(labels.tolist())) == {"digits": 10, "shapes": len(SHAPES)}[network.name]


def test_digits_are_moved_and_keep_their_labels() -> None:
    images, labels = moved_digits("calibration", 0)
    originals, original_labels = digit_images("calibration")
    np.testing.assert_array_equal(labels, np.tile(original_labels, 4))
    still = upsampled(originals, 3, 32, 32)
    assert images.shape == (4 * len(still), *still.shape[1:])
    # The middle of a digit is somewhere in the moved one.
    for moved, original in zip(images[:20], still[:20], strict=True):
        middle = original[:, 4:-4, 4:-4]
        places = np.lib.stride_tricks.sliding_window_view(moved, middle.shape)
        assert (places == middle).all(axis=(-3, -2, -1)).any()


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    made: list[Path] = []

    def export(path: Path, progress: object) -> None:
        made.append(path)
        path.write_bytes(b"model")

    def images(split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        made.append(Path(f"{split}-{seed}"))
        return np.full((2, 3, 4, 4), seed, np.float32), np.arange(2)

    network = Network("tiny", "a tiny one", export, images, {})
    for _ in range(2):
        model = network.model(tmp_path, silent)
        spec = network.data("test", 3, tmp_path)
    assert made == [model, Path("test-3")]
    with np.load(spec.removeprefix("npz:")) as file:
        assert file["input"].max() == 3
        np.testing.assert_array_equal(file["labels"], [0, 1])
