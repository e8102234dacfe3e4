"""Barycentric projection of rows onto a cloud of generated points.

The distances of a row to the reference rows give the row a conditional plan over the cloud, by the
out-of-sample extension of the coupling between reference rows and cloud. The projection of the row
is the mean of the cloud points under this plan: a point within the convex hull of the cloud, whose
distances are too short. In the other direction, the features of a point are the mean of the
features of the reference rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import gen_batches

from skgw.solvers.linear import Extension
from skgw.spaces import Space
from skgw.spaces.finite import Array, Index


class BarycentricProjection(NamedTuple):
    """Map between rows, given by their distances to the reference rows, and a cloud of points.

    Attributes
    ----------
    space : Space
        Space whose anchors are the reference rows.
    scale : float
        RMS distance of the data; the extensions take distances divided by `scale`.
    cloud : array of shape (m, k)
        Generated points.
    to_cloud : Extension
        Maps distances to the reference rows to conditional plans over the cloud.
    to_data : Extension
        Maps distances to the cloud to conditional plans over the reference rows.
    chunk_size : int
        Number of rows that are projected at a time.
    """

    space: Space
    scale: float
    cloud: Array
    to_cloud: Extension
    to_data: Extension
    chunk_size: int = 2048

    def conditional_plan(self, distances: Array) -> Array:
        """Conditional plan (n, m) over the cloud, from scaled distances (n, r)."""
        return self.to_cloud.rows(distances).astype(self.cloud.dtype, copy=False)

    def project(self, distances: Array) -> Array:
        """Projections (n, k) of rows, from scaled distances (n, r)."""
        chunks = gen_batches(len(distances), self.chunk_size)
        return np.concatenate([self.conditional_plan(distances[i]) @ self.cloud for i in chunks])

    def plan_of_training_rows(
        self, space: Space, reference: Index, weights: Array | None = None
    ) -> Array:
        """Plan of all training rows.

        Parameters
        ----------
        space : Space
            Space of all n training rows.
        reference : array of int of shape (r,)
            Positions of the reference rows among the anchors of `space`.
        weights : array of shape (n,), optional
            Weights of the training rows; by default 1 / n.

        Returns
        -------
        array of shape (n, m)
            In float32; the row sums are the weights.
        """
        n = space.n_rows
        plan = np.empty((n, len(self.cloud)), dtype=np.float32)
        for chunk in gen_batches(n, self.chunk_size):
            distances = space.distances(np.arange(n)[chunk], reference) / self.scale
            conditional = self.conditional_plan(distances)
            plan[chunk] = conditional / n if weights is None else conditional * weights[chunk, None]
        return plan

    def features(self, Z: Array) -> Array:
        """Features (b, d) of points of the embedding (b, k); the space must have features.

        The features are dense, also if the features of the training rows are sparse.
        """
        reference: Any = self.space.features()  # type: ignore[attr-defined]
        chunks = (
            euclidean_distances(Z[i], self.cloud) for i in gen_batches(len(Z), self.chunk_size)
        )
        return np.concatenate([self.to_data.rows(D / self.scale) @ reference for D in chunks])
