"""Differentiable geometry of point clouds."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_EXACT_DIM = 16  # coordinates are subtracted up to this dimension; inner products above it


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
