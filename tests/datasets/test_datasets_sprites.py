import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skgw.datasets import make_sprites
from skgw.datasets.sprites import SHAPES, _render


def inside(shape, u, v):
    """Whether points lie in a shape of area 1: the outlines written down a second time."""
    if shape == 0:
        return (abs(u) < 0.5) & (abs(v) < 0.5)
    if shape == 1:
        return np.pi / 2 * u**2 + 2 * np.pi * v**2 < 1
    side = (1 + np.pi / 4) ** -0.5
    v = v + side * (3 * np.pi + 4) / (6 * np.sqrt(2) * (4 + np.pi))
    diamond = abs(u) + abs(v) < side / np.sqrt(2)
    return diamond | (np.hypot(abs(u) - side / 8**0.5, v - side / 8**0.5) < side / 2)


def supersampled(factors, size, n=16):
    """Shares of n x n points of each pixel that lie in the shape."""
    ticks = (np.arange(size * n) + 0.5) / (size * n)
    x, y = np.meshgrid(ticks, ticks[::-1])
    images = []
    for shape, scale, angle, x_c, y_c in factors:
        z = ((x - x_c) + 1j * (y - y_c)) * np.exp(-1j * angle) / scale
        fine = inside(shape, z.real, z.imag).reshape(size, n, size, n)
        images.append(fine.mean(axis=(1, 3)).ravel())
    return np.array(images)


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_pixels_have_the_share_that_the_shape_covers(shape, size):
    images, factors, *_ = make_sprites(60, image_size=size, max_rotation=6.0, random_state=0)
    own = factors[:, 0] == shape
    expected = supersampled(factors[own], size)
    assert abs(images[own] - expected).max() < 0.25
    assert abs(images[own] - expected).sum() < 0.04 * expected.sum()


def test_the_brightness_tells_the_scale_alone():
    images, factors, *_ = make_sprites(n_values=(3, 4, 3, 3), image_size=32)
    assert_allclose(images.mean(axis=1), factors[:, 1] ** 2, rtol=0.03)


def test_the_centroid_is_the_position():
    images, factors, *_ = make_sprites(300, max_rotation=6.0, random_state=0)
    ticks = (np.arange(32) + 0.5) / 32
    pixels = images.reshape(-1, 32, 32) / images.sum(1)[:, None, None]
    assert_allclose(pixels.sum(1) @ ticks, factors[:, 3], atol=0.003)
    assert_allclose(pixels.sum(2) @ ticks[::-1], factors[:, 4], atol=0.003)


@pytest.mark.parametrize("shape", range(3))
def test_turns_and_shifts_of_the_image(shape):
    start = np.array([[shape, 0.25, 0.3, 0.5, 0.5]])
    image = _render(start, 32).reshape(32, 32)
    turned = _render(start + [[0, 0, np.pi / 2, 0, 0]], 32).reshape(32, 32)
    shifted = _render(start + [[0, 0, 0, 2 / 32, 3 / 32]], 32).reshape(32, 32)
    assert_allclose(turned, np.rot90(image), atol=1e-9)  # counterclockwise
    assert_allclose(shifted, np.roll(image, (-3, 2), axis=(0, 1)), atol=1e-9)  # up and right


def test_no_shape_touches_the_border():
    images = make_sprites(n_values=(2, 24, 2, 2), image_size=16, max_rotation=6.28).images
    border = np.ones((16, 16), bool)
    border[1:-1, 1:-1] = False
    assert images[:, border.ravel()].max() < 0.35
    assert images.min() == 0
    assert images.max() == 1


def test_all_combinations_come_in_order_and_look_different():
    images, factors, names, shape = make_sprites(n_values=(2, 3, 4, 5))
    assert (names, shape) == (("shape", "scale", "rotation", "x", "y"), (1, 32, 32))
    assert [len(np.unique(column)) for column in factors.T] == [3, 2, 3, 4, 5]
    assert_array_equal(np.lexsort(factors.T[::-1]), np.arange(360))
    assert len(np.unique(images.round(6), axis=0)) == 360
    assert_allclose(np.unique(factors[:, 2]), [0, np.pi / 6, np.pi / 3])


def test_draws_are_different_rows_of_all_combinations():
    whole = make_sprites(n_values=(2, 3, 4, 5))
    drawn = make_sprites(200, n_values=(2, 3, 4, 5), random_state=0)
    index = [np.flatnonzero((whole.factors == row).all(axis=1))[0] for row in drawn.factors]
    assert len(set(index)) == 200
    assert_array_equal(drawn.images, whole.images[index])
    assert abs(np.corrcoef(index, np.arange(200))[0, 1]) < 0.25  # in random order


def test_the_seed_decides():
    first, again, reseeded = (make_sprites(9, random_state=seed).factors for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert not np.array_equal(first, reseeded)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples must be between 1 and 21600"),
        ({"n_samples": 21601}, "n_samples must be between 1 and 21600"),
        ({"image_size": 15}, "image_size must be at least 16"),
        ({"n_values": (2, 2, 2)}, "n_values must hold 4 positive numbers"),
        ({"n_values": (2, 0, 2, 2)}, "n_values must hold 4 positive numbers"),
        ({"max_rotation": 7.0}, "max_rotation must be positive and at most 2 pi"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_sprites(**arguments)
