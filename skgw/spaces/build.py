"""From an estimator's input to a space."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

from skgw.spaces.finite import (
    Array,
    FeatureSpace,
    GeodesicSpace,
    GraphSpace,
    Index,
    MatrixSpace,
    Metric,
    Space,
)
from skgw.spaces.graphs import graph_distances

MAX_GRAPH_ANCHORS = 2048  # rows of shortest paths that are computed; memory grows with n times this
SYMMETRY_TOLERANCE = 1e-4  # relative; float32 distances are asymmetric by rounding


def feature_space(X: Array, metric: Metric) -> FeatureSpace:
    """Points with coordinates, under a metric of `sklearn.metrics.pairwise_distances`."""
    return FeatureSpace(points=X, anchors=np.arange(len(X)), metric=metric)


def matrix_space(X: Array) -> MatrixSpace:
    """Points known by their distances, (n, n)."""
    check_distances(X)
    return MatrixSpace(matrix=X, anchors=np.arange(len(X)))


def graph_space(graph: sparse.csr_array, rng: np.random.RandomState) -> GraphSpace:
    """Nodes of a graph, given by its edge lengths (n, n), under shortest paths."""
    anchors = choose_anchors(graph.shape[0], rng)
    matrix = graph_distances(graph, edge_length="weight", sources=anchors).T
    return GraphSpace(matrix=np.ascontiguousarray(matrix), anchors=anchors, graph=graph)


def geodesic_space(
    X: Array, n_neighbors: int, rng: np.random.RandomState, metric: Metric = "euclidean"
) -> GeodesicSpace:
    """Points with coordinates, under shortest paths in their nearest-neighbour graph."""
    k = min(n_neighbors, len(X) - 1)
    graph = kneighbors_graph(X, k, mode="distance", metric=metric)
    anchors = choose_anchors(len(X), rng)
    try:
        matrix = graph_distances(graph, edge_length="weight", sources=anchors).T
    except ValueError as error:
        raise ValueError(
            f"The graph of {k} nearest neighbours is not connected, so geodesic distances are "
            f"infinite. Raise n_neighbors, or use metric='euclidean'. ({error})"
        ) from None
    matrix = np.ascontiguousarray(matrix, dtype=X.dtype)
    return GeodesicSpace(matrix=matrix, anchors=anchors, points=X, n_neighbors=k, metric=metric)


def choose_anchors(n: int, rng: np.random.RandomState) -> Index:
    """All of n rows, or a random subset of `MAX_GRAPH_ANCHORS`, in order."""
    if n <= MAX_GRAPH_ANCHORS:
        return np.arange(n)
    return np.sort(rng.choice(n, MAX_GRAPH_ANCHORS, replace=False))


def check_distances(D: Array) -> None:
    """Raise a ValueError that says what to do if D is not a matrix of distances."""
    if D.shape[0] != D.shape[1]:
        raise ValueError(
            f"Precomputed distances must be a square matrix, got shape {D.shape}. "
            "For features choose a metric such as 'euclidean'."
        )
    size = D.max(initial=0.0)
    if (abs(D.diagonal()) > SYMMETRY_TOLERANCE * size).any():
        raise ValueError(
            "Precomputed distances must be zero on the diagonal. A similarity or kernel matrix "
            "must be turned into distances first."
        )
    if (abs(D - D.T) > SYMMETRY_TOLERANCE * size).any():
        raise ValueError(
            "Precomputed distances must be symmetric; pass (D + D.T) / 2 if that is what you mean."
        )


__all__ = ["Space", "feature_space", "geodesic_space", "graph_space", "matrix_space"]
