"""Initial similarities of a registration without an initial plan."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import torch
from torch import Tensor

from skgw.registration.principal_axes import scatter_axes
from skgw.registration.similarity import Floats, Similarity, about_means


def principal_similarities(
    X: Floats, Y: Floats, *, n_free: int = 3
) -> Iterator[Similarity[Floats]]:
    """Rigid transformations that take the principal axes of X (n, d) to the axes of Y (m, d).

    The leading `n_free` axes of Y come in any order and with any sign, other axes unchanged.
    """
    mean_x, mean_y = X.mean(axis=0), Y.mean(axis=0)
    axes_x, axes_y = scatter_axes(X - mean_x), scatter_axes(Y - mean_y)
    n_free = min(len(axes_x), n_free)
    for order in permutations(range(n_free)):
        for signs in product((-1.0, 1.0), repeat=n_free):
            chosen = axes_y.copy()
            chosen[:n_free] = np.array(signs)[:, None] * axes_y[list(order)]
            yield about_means(mean_x, mean_y, axes_x.T @ chosen)


def random_similarities(
    X: Floats, Y: Floats, n_starts: int, rng: np.random.RandomState
) -> Iterator[Similarity[Floats]]:
    """Rigid transformations that take mean to mean, with uniform rotations and reflections."""
    mean_x, mean_y = X.mean(axis=0), Y.mean(axis=0)
    for _ in range(n_starts):
        q, r = np.linalg.qr(rng.standard_normal((X.shape[1], X.shape[1])))
        # Without the signs the QR decomposition does not give uniform rotations.
        yield about_means(mean_x, mean_y, q * np.sign(np.diag(r)))


def mirror_images(centred: Tensor, rotation: Tensor, n_axes: int) -> list[Tensor]:
    """The rotation (kx, ky) after a reflection of points (n, kx) along each leading axis."""
    axes = scatter_axes(centred)[:n_axes]
    return [rotation - 2 * torch.outer(v, v @ rotation) for v in axes]
