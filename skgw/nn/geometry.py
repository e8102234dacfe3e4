"""Geometry of point clouds: differentiable distances, and the polar factor of a matrix."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MAX_EXACT_DIM = 16  # coordinates are subtracted up to this dimension; inner products above it

Matrix = TypeVar("Matrix", Tensor, NDArray[Any])


def pairwise_distances(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Euclidean distances between points.

    The gradient at distance zero is defined as zero.

    Parameters
    ----------
    x : Tensor of shape (n, k)
    y : Tensor of shape (m, k), default=None
        None takes `x`.

    Returns
    -------
    Tensor of shape (n, m)
    """
    y = x if y is None else y
    exact = x.shape[1] <= MAX_EXACT_DIM
    mode = "donot_use_mm_for_euclid_dist" if exact else "use_mm_for_euclid_dist"
    return torch.cdist(x, y, compute_mode=mode)


def polar_factor(cross: Matrix) -> Matrix:
    """The matrix R with orthonormal rows or columns that maximises ``<R, cross>``.

    It solves the orthogonal Procrustes problem: of all such R, ``x @ R`` is closest to y in the
    sum of squares where ``cross = x.T @ y``.

    Parameters
    ----------
    cross : Tensor or array of shape (k, d)

    Returns
    -------
    Tensor or array of shape (k, d)
        Of the kind of `cross`.

    References
    ----------
    :cite:t:`schonemann1966`.

    Examples
    --------
    >>> import torch
    >>> polar_factor(torch.diag(torch.tensor([2.0, -3.0]))) + 0.0
    tensor([[ 1.,  0.],
            [ 0., -1.]])
    """
    if not isinstance(cross, Tensor):
        left, _, right = np.linalg.svd(cross, full_matrices=False)
        return left @ right
    try:
        left, _, right = torch.linalg.svd(cross, full_matrices=False)
    except torch.linalg.LinAlgError:  # in float32, of nearly equal singular values
        left, _, right = torch.linalg.svd(cross.double(), full_matrices=False)
    return (left @ right).to(cross.dtype)
