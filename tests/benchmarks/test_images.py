import numpy as np

from benchmarks.images import synthetic_images


def test_images_are_normalized_and_seeded() -> None:
    images = synthetic_images(2, 32, seed=1)
    assert images.shape == (2, 3, 32, 32)
    np.testing.assert_allclose(images.mean(axis=(2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(2, 3)), 1, atol=1e-5)
    np.testing.assert_array_equal(images, synthetic_images(2, 32, seed=1))
    assert not np.array_equal(images, synthetic_images(2, 32, seed=2))


def test_neighbouring_pixels_and_colours_are_alike() -> None:
    images = synthetic_images(4, 64, seed=0)
    assert np.corrcoef(images[..., 1:].ravel(), images[..., :-1].ravel())[0, 1] > 0.7  # white noise has 0
    assert np.corrcoef(images[:, 0].ravel(), images[:, 1].ravel())[0, 1] > 0.5
