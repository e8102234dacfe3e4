"""Measures of images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from skgw.threads import distances_work, threads_by

from ._checks import Floats, float_matrix

RED_GREEN_BLUE = (0.299, 0.587, 0.114)  # luma weights of ITU-R BT.601


@threads_by(distances_work)
def image_sharpness(
    images: ArrayLike, image_shape: Sequence[int], *, chunk_size: int = 1024
) -> Floats:
    """Sharpness of images: variance of the Laplacian of their greyscale.

    Blur lowers it, and noise raises it. It has the squared unit of the values: compare with the
    mean over held-out data, on one scale of values.

    Parameters
    ----------
    images : array-like of shape (n, channels * height * width)
        Flat images.
    image_shape : (int, int, int)
        Channels, height and width in pixels; at least 3 pixels each way. Three channels are red,
        green and blue. Of any other number of channels the mean is taken.
    chunk_size : int, default=1024
        Number of images at once. No effect on the result.

    Returns
    -------
    sharpness : ndarray of shape (n,)
        Variance of each image over the pixels that have four neighbours. The sharpness of a set is
        its mean.

    Raises
    ------
    ValueError
        If the rows are no images of this shape.

    References
    ----------
    .. [1] :cite:t:`tolstikhin2018`, Section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skgw.metrics import image_sharpness
    >>> digits = load_digits().images / 16
    >>> blurred = (digits + np.roll(digits, 1, axis=1) + np.roll(digits, 1, axis=2)) / 3
    >>> for images in (digits, blurred):
    ...     print(image_sharpness(images.reshape(-1, 64), (1, 8, 8)).mean().round(1))
    1.0
    0.3
    """
    rows = float_matrix(images, "images")
    if len(image_shape) != 3 or math.prod(image_shape) != rows.shape[1] or min(image_shape[1:]) < 3:
        raise ValueError(
            "image_shape must be (channels, height, width), at least 3 pixels each way, with "
            f"{rows.shape[1]} values in all; got {tuple(image_shape)}."
        )
    channels = image_shape[0]
    weights = np.array(RED_GREEN_BLUE) if channels == 3 else np.full(channels, 1 / channels)
    sharpness = np.empty(len(rows))
    for start in range(0, len(rows), chunk_size):
        block = rows[start : start + chunk_size].reshape(-1, *image_shape)
        grey = np.tensordot(block, weights, axes=(1, 0))  # (chunk, height, width)
        neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
        laplacian = neighbours - 4 * grey[:, 1:-1, 1:-1]
        sharpness[start : start + chunk_size] = laplacian.var(axis=(1, 2))
    return sharpness
