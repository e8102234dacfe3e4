import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter, laplace

from skgw.metrics import image_sharpness


def images(n, *shape, seed=0):
    return np.random.RandomState(seed).uniform(size=(n, *shape))


def by_scipy(grey):
    return [laplace(image)[1:-1, 1:-1].var() for image in grey]


@pytest.mark.parametrize("chunk_size", [1, 4, 100])
def test_the_laplacian_is_that_of_scipy(chunk_size):
    X = images(10, 7, 9)
    found = image_sharpness(X.reshape(10, -1), (1, 7, 9), chunk_size=chunk_size)
    assert_allclose(found, by_scipy(X), rtol=1e-12)


def test_colours_have_the_weights_of_the_eye_and_other_channels_one_weight():
    X = images(5, 3, 6, 6)
    grey = 0.299 * X[:, 0] + 0.587 * X[:, 1] + 0.114 * X[:, 2]
    assert_allclose(image_sharpness(X.reshape(5, -1), (3, 6, 6)), by_scipy(grey))
    X = images(5, 2, 6, 6)
    assert_allclose(image_sharpness(X.reshape(5, -1), (2, 6, 6)), by_scipy(X.mean(1)))


def test_a_slope_is_not_sharp_and_blur_lowers_the_sharpness():
    slope = np.add.outer(2.0 * np.arange(8), 3.0 * np.arange(8))
    assert_allclose(image_sharpness(slope.reshape(1, -1), (1, 8, 8)), 0, atol=1e-20)
    sharp = images(20, 16, 16)
    blurred = np.stack([gaussian_filter(image, 1.0) for image in sharp])
    ratio = image_sharpness(blurred.reshape(20, -1), (1, 16, 16)) / image_sharpness(
        sharp.reshape(20, -1), (1, 16, 16)
    )
    assert ratio.max() < 0.1


def test_a_single_bright_pixel_worked_out_by_hand():
    """Of the 9 inner pixels one has -4 and four have 1: the mean is 0, the variance 20 / 9."""
    image = np.zeros((5, 5))
    image[2, 2] = 1
    assert_allclose(image_sharpness(image.reshape(1, -1), (1, 5, 5)), 20 / 9)


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 9), (1, 32, 2), (1, 2, 32)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"image_shape must be \(channels, height, width\)"):
        image_sharpness(np.zeros((2, 64)), shape)
