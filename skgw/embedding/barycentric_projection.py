"""Where rows have their place in an embedding: training rows and new ones, by one rule.

A row is put at the mean of a fixed cloud of generated points, weighted by its conditional plan,
which its distances to the reference rows give. The way back is the same: features of a point are
the mean of those of the reference rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from skgw.solvers.linear import Extension
from skgw.spaces import Space

CHUNK = 2048  # rows that are projected at a time

Array = NDArray[Any]


class Placement(NamedTuple):
    """A cloud of points, and how rows at some distances from the reference rows go to it.

    Attributes
    ----------
    space : Space
        Its anchors are the reference rows.
    scale : float
        What distances are divided by.
    cloud : array of shape (m, k)
    to_cloud, to_data : Extension
        From distances to the reference rows to a row over the cloud, and the reverse.
    """

    space: Space
    scale: float
    cloud: Array
    to_cloud: Extension
    to_data: Extension

    def distances(self, X: Any) -> Iterator[Array]:
        """From validated rows to the reference rows, over the scale, in chunks (b, r)."""
        if sparse.issparse(X):  # a graph stays whole, it may be the training graph
            yield self.space.from_new(X) / self.scale
            return
        for chunk in gen_batches(X.shape[0], CHUNK):
            yield self.space.from_new(X[chunk]) / self.scale

    def rows(self, distances: Array) -> Array:
        """Conditional plan over the cloud (n, m) of rows at these distances (n, r)."""
        return self.to_cloud.rows(distances).astype(self.cloud.dtype, copy=False)

    def place(self, distances: Array) -> Array:
        """Places (n, k) of rows at these distances (n, r)."""
        chunks = gen_batches(len(distances), CHUNK)
        return np.concatenate([self.rows(distances[i]) @ self.cloud for i in chunks])

    def training_rows(self, whole: Space, reference: Array) -> tuple[Array, Array]:
        """Plan (n, m), in float32, and places (n, k) of all rows of the `whole` space.

        The reference rows are its anchors at the positions `reference`.
        """
        n = whole.n_rows
        plan = np.empty((n, len(self.cloud)), dtype=np.float32)
        places = np.empty((n, self.cloud.shape[1]), dtype=self.cloud.dtype)
        for chunk in gen_batches(n, CHUNK):
            rows = self.rows(whole.distances(np.arange(n)[chunk], reference) / self.scale)
            plan[chunk] = rows / n
            places[chunk] = rows @ self.cloud
        return plan, places

    def features(self, Z: Array) -> Array:
        """Features (b, d) of points of the embedding (b, k), for a space that has features."""
        known: Array = self.space.features()  # type: ignore[attr-defined]
        chunks = (euclidean_distances(Z[i], self.cloud) for i in gen_batches(len(Z), CHUNK))
        return np.concatenate([self.to_data.rows(D / self.scale) @ known for D in chunks])
