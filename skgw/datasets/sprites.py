"""Images of one shape each, with known factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement

Floats = NDArray[np.float64]

SHAPES = ("square", "ellipse", "heart")
FACTORS = ("shape", "scale", "rotation", "x", "y")
SCALES = (0.16, 0.32)  # square root of the area, in sides of the image
POSITIONS = (0.3, 0.7)  # of the centroid, in sides of the image: no shape is cut off
LEAST_SIZE = 16  # pixels; the smallest shape is then 2.6 pixels wide

# Outlines of area 1 around their centroid.
HALF_AXES = (np.sqrt(2 / np.pi), np.sqrt(0.5 / np.pi))  # of the ellipse
SIDE = 1 / np.sqrt(1 + np.pi / 4)  # of the heart's square, whose upper sides carry half discs
# Half discs of radius SIDE / 2 with centroids 4 / (3 pi) radii beyond the middle of their side.
CENTROID = SIDE / np.sqrt(8) * (1 + 4 / (3 * np.pi)) * (np.pi / 4) / (1 + np.pi / 4)


class Sprites(NamedTuple):
    """Images and their factors.

    Attributes
    ----------
    images : ndarray of shape (n, image_size ** 2)
        Flat greyscale images, from 0 outside to 1 inside of the shape.
    factors : ndarray of shape (n, 5)
        Values of the factors of each image.
    factor_names : tuple of str
        Names of the columns of `factors`: "shape", "scale", "rotation", "x" and "y".
    image_shape : (int, int, int)
        Channels, height and width in pixels.
    """

    images: Floats
    factors: Floats
    factor_names: tuple[str, ...]
    image_shape: tuple[int, int, int]


def make_sprites(
    n_samples: int | None = None,
    *,
    image_size: int = 32,
    n_values: Sequence[int] = (6, 12, 10, 10),
    max_rotation: float = np.pi / 2,
    random_state: int | np.random.RandomState | None = None,
) -> Sprites:
    """Draw images of one shape each, with five independent factors.

    ==========  ===========================================================================
    factor      values
    ==========  ===========================================================================
    "shape"     0 is a square, 1 an ellipse with axes 2 : 1, 2 a heart
    "scale"     0.16 to 0.32: square root of the area, in units of the side of the image
    "rotation"  0 to `max_rotation`, which is left out: radians, counterclockwise
    "x", "y"    0.3 to 0.7: centroid from the left and from the bottom, in units of the side
    ==========  ===========================================================================

    The values of a factor are evenly spaced. Edges are anti-aliased: a pixel has the share of its
    area that the shape covers, up to 0.06 for nine of ten pixels at an edge, and 0.23 at most.
    All shapes of one scale have one area, so that the brightness of an image tells the scale alone.

    Parameters
    ----------
    n_samples : int or None, default=None
        Number of images, which are drawn from all combinations of the values without replacement.
        None returns all combinations, in the order of the factors, the last one fastest.
    image_size : int, default=32
        Height and width in pixels, at least 16.
    n_values : sequence of 4 int, default=(6, 12, 10, 10)
        Numbers of values of scale, rotation, x and y. With three shapes the default has 21,600
        combinations.
    max_rotation : float, default=pi / 2
        Radians, at most 2 pi. After a quarter turn the square, and after a half turn the ellipse,
        looks as before: with the default, different factors are different images.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. No effect if `n_samples` is None.

    Returns
    -------
    sprites : Sprites
        Named tuple ``(images, factors, factor_names, image_shape)``.

    Raises
    ------
    ValueError
        If `n_samples` exceeds the number of combinations, or a number is out of range.

    See Also
    --------
    skgw.metrics.dci_scores : Does each code depend on one factor?

    Examples
    --------
    >>> from skgw.datasets import make_sprites
    >>> sprites = make_sprites(100, image_size=16, random_state=0)
    >>> sprites.images.shape, sprites.image_shape
    ((100, 256), (1, 16, 16))
    >>> dict(zip(sprites.factor_names, sprites.factors[0].round(2).tolist()))
    {'shape': 0.0, 'scale': 0.32, 'rotation': 0.92, 'x': 0.48, 'y': 0.48}
    """
    _check(image_size, n_values, max_rotation)
    n_scales, n_rotations, n_x, n_y = n_values
    values = [
        np.arange(float(len(SHAPES))),
        np.linspace(*SCALES, n_scales),
        np.linspace(0, max_rotation, n_rotations, endpoint=False),
        np.linspace(*POSITIONS, n_x),
        np.linspace(*POSITIONS, n_y),
    ]
    sizes = tuple(map(len, values))
    n_all = int(np.prod(sizes))
    if n_samples is None:
        chosen = np.arange(n_all)
    else:
        if not 1 <= n_samples <= n_all:
            raise ValueError(
                f"n_samples must be between 1 and {n_all}, the number of combinations of the "
                f"values, got {n_samples}; a larger n_values has more."
            )
        rng = check_random_state(random_state)
        chosen = sample_without_replacement(n_all, n_samples, random_state=rng)
        chosen = chosen[rng.permutation(n_samples)]  # it may be in part in order
    index = np.unravel_index(chosen, sizes)
    factors = np.column_stack([of[i] for of, i in zip(values, index, strict=True)])
    return Sprites(_render(factors, image_size), factors, FACTORS, (1, image_size, image_size))


def _check(image_size: int, n_values: Sequence[int], max_rotation: float) -> None:
    if image_size < LEAST_SIZE:
        raise ValueError(f"image_size must be at least {LEAST_SIZE}, got {image_size}.")
    if len(n_values) != 4 or min(n_values) < 1:
        raise ValueError(
            "n_values must hold 4 positive numbers, for scale, rotation, x and y, got "
            f"{tuple(n_values)}."
        )
    if not 0 < max_rotation <= 2 * np.pi:
        raise ValueError(f"max_rotation must be positive and at most 2 pi, got {max_rotation}.")


def _render(factors: Floats, size: int, chunk_size: int = 512) -> Floats:
    """Flat images (n, size ** 2)."""
    images = np.empty((len(factors), size**2))
    ticks = (np.arange(size) + 0.5) / size
    columns, rows = np.tile(ticks, size), np.repeat(ticks[::-1], size)  # (size ** 2,) each
    for shape, coverage in enumerate((_square, _ellipse, _heart)):
        members = np.flatnonzero(factors[:, 0] == shape)
        for start in range(0, len(members), chunk_size):
            block = members[start : start + chunk_size]
            scale, angle, x, y = factors[block, 1:].T[:, :, None]  # (chunk, 1) each
            right, up = (columns - x) / scale, (rows - y) / scale  # (chunk, size ** 2)
            cos, sin = np.cos(angle), np.sin(angle)
            u, v = cos * right + sin * up, cos * up - sin * right
            images[block] = coverage(u, v, size * scale)
    return images


# Shares of pixels that a shape of area 1 covers, for pixels at (u, v). A unit of length has
# `pixels` pixels.


def _ramp(distance: Floats, pixels: Floats) -> Floats:
    """Covered share of a pixel whose centre has a signed distance from a straight edge."""
    return np.clip(0.5 - distance * pixels, 0.0, 1.0)


def _box(u: Floats, v: Floats, side: float, pixels: Floats) -> Floats:
    return _ramp(abs(u) - side / 2, pixels) * _ramp(abs(v) - side / 2, pixels)


def _square(u: Floats, v: Floats, pixels: Floats) -> Floats:
    return _box(u, v, 1.0, pixels)


def _ellipse(u: Floats, v: Floats, pixels: Floats) -> Floats:
    """The distance is that of the linearised norm, exact at the edge."""
    a, b = HALF_AXES
    norm, slope = np.hypot(u / a, v / b), np.hypot(u / a**2, v / b**2)
    length = np.divide(norm, slope, out=np.full_like(norm, b), where=slope > 0)
    return _ramp((norm - 1) * length, pixels)


def _heart(u: Floats, v: Floats, pixels: Floats) -> Floats:
    """A square on its corner, with discs around the middles of its upper sides."""
    v = v + CENTROID
    middle = SIDE / np.sqrt(8)
    square = _box((u + v) / np.sqrt(2), (v - u) / np.sqrt(2), SIDE, pixels)
    disc = _ramp(np.hypot(abs(u) - middle, v - middle) - SIDE / 2, pixels)
    return np.maximum(square, disc)
