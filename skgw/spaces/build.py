"""From an estimator's input to a space."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import kneighbors_graph

from skgw.spaces.finite import (
    Array,
    FeatureSpace,
    GeodesicSpace,
    GraphSpace,
    Index,
    MatrixSpace,
    Metric,
)
from skgw.spaces.graphs import graph_distances

MAX_GRAPH_ANCHORS = 2048  # rows of shortest paths that are computed; memory grows with n times this
SYMMETRY_TOLERANCE = 1e-4  # relative; float32 distances are asymmetric by rounding
DIAGONAL_TOLERANCE = 1e-2  # relative; a root turns float32 rounding of squares into about 1e-3


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
    """Points with coordinates, under shortest paths between nearest neighbours."""
    k = min(n_neighbors, len(X) - 1)
    graph = connected_neighbors(X, k, metric)
    anchors = choose_anchors(len(X), rng)
    matrix = graph_distances(graph, edge_length="weight", sources=anchors).T
    matrix = np.ascontiguousarray(matrix, dtype=X.dtype)
    return GeodesicSpace(matrix=matrix, anchors=anchors, points=X, n_neighbors=k, metric=metric)


def connected_neighbors(X: Array, n_neighbors: int, metric: Metric) -> sparse.coo_array:
    """The nearest-neighbour graph, joined with the edges of a minimum spanning tree it lacks.

    Clusters far apart are not linked by nearest neighbours. Each component is given its shortest
    edge to the rest until one is left (Boruvka's algorithm, started from the components).
    """
    graph = kneighbors_graph(X, n_neighbors, mode="distance", metric=metric).tocoo()
    edges = [(*graph.coords, graph.data)]
    while True:
        i, j, length = (np.concatenate(part) for part in zip(*edges, strict=True))
        linked = sparse.csr_array((length, (i, j)), shape=(len(X), len(X)))
        n_components, component = csgraph.connected_components(linked, directed=False)
        if n_components == 1:
            return sparse.coo_array((length, (i, j)), shape=linked.shape)
        for c in range(n_components):
            inside, outside = np.flatnonzero(component == c), np.flatnonzero(component != c)
            nearest, gap = pairwise_distances_argmin_min(X[inside], X[outside], metric=metric)
            k = gap.argmin()
            edges.append((inside[[k]], outside[nearest[[k]]], gap[[k]]))


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
    if (abs(D.diagonal()) > DIAGONAL_TOLERANCE * size).any():
        raise ValueError(
            "Precomputed distances must be zero on the diagonal. A similarity or kernel matrix "
            "must be turned into distances first."
        )
    if (abs(D - D.T) > SYMMETRY_TOLERANCE * size).any():
        raise ValueError(
            "Precomputed distances must be symmetric; pass (D + D.T) / 2 if that is what you mean."
        )
