"""Normalised stress of an embedding: the error of its distances, relative to their size."""

from __future__ import annotations

import numpy as np
from sklearn.utils import gen_batches

from skgw.spaces import Space
from skgw.spaces.finite import Array, Index, centred_distances


def normalized_stress(
    space: Space,
    embedding: Array,
    anchors: Index,
    *,
    scale: float,
    weights: Array | None = None,
    chunk_size: int = 2048,
) -> float:
    """Kruskal's stress-1, as `sklearn.manifold.MDS` computes it with ``normalized_stress=True``.

    Parameters
    ----------
    space : Space
        Space of all n training rows.
    embedding : array of shape (n, k)
        Embedded training rows.
    anchors : array of int of shape (m,)
        Positions of anchors of `space`, whose pairs are compared.
    scale : float
        Unit of the distances, so that squares stay in the range of float64.
    weights : array of shape (m,), optional
        Weights of the anchors; by default equal.
    chunk_size : int, default=2048
        The memory grows with m times this number of rows.

    Returns
    -------
    float
        0 for an isometry; infinity if all points, but not all rows, coincide.

    References
    ----------
    :cite:t:`kruskal1964`.
    """
    points = embedding[space.anchors[anchors]].astype(np.float64) / scale
    w = np.ones(len(anchors)) if weights is None else weights
    error = norm = 0.0
    for chunk in gen_batches(len(anchors), chunk_size):
        D = space.between(anchors[chunk], anchors) / scale
        E = centred_distances(points[chunk], points)
        error += float(w[chunk] @ np.square(D - E) @ w)
        norm += float(w[chunk] @ np.square(E) @ w)
    if norm == 0:
        return 0.0 if error == 0 else float("inf")
    return float(np.sqrt(error / norm))
