"""Generated samples in the data's own space, and pictures of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from skgw import GWGenerativeEmbedding

Array = NDArray[Any]
N_SHOWN = 10  # images in a row of the sheet
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}  # of archives, in tables


def in_place(model: GWGenerativeEmbedding, samples: Array) -> Array:
    """Samples in the data's own space, by the orthogonal map that agrees with the coupling."""
    cloud = model.generated_
    matches = model.inverse_transform(cloud)
    width = max(cloud.shape[1], matches.shape[1])
    one, other = (
        np.pad(Z - Z.mean(0), ((0, 0), (0, width - Z.shape[1]))) for Z in (cloud, matches)
    )
    rotation, _ = orthogonal_procrustes(one, other)
    moved = np.pad(samples - cloud.mean(0), ((0, 0), (0, width - samples.shape[1]))) @ rotation
    return np.asarray(moved[:, : matches.shape[1]] + matches.mean(0))


def sheet(path: Path, rows: list[tuple[Array, tuple[int, int, int]]]) -> None:
    """Write groups of images, each from its darkest to its lightest value, as one picture."""
    import matplotlib.pyplot as plt

    strips = [_strip(images[: 3 * N_SHOWN], shape) for images, shape in rows]
    plt.imsave(path, np.concatenate(strips))


def _strip(images: Array, shape: tuple[int, int, int]) -> Array:
    low, high = np.quantile(images, [0.01, 0.99])
    pixels = np.clip((images - low) / (high - low), 0, 1).reshape(-1, N_SHOWN, *shape)
    pixels = np.moveaxis(pixels, 2, 4)  # (rows, N_SHOWN, h, w, c)
    if shape[0] == 1:
        pixels = np.repeat(pixels, 3, axis=4)
    lines = [np.concatenate(list(line), axis=1) for line in pixels]
    frame = np.ones((4, lines[0].shape[1], 3))
    return np.concatenate([*lines, frame])
