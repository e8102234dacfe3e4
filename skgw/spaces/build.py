"""From an estimator's input to a space."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors

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
from skgw.spaces.graphs import SYMMETRY_TOLERANCE, graph_distances

INNER_PRODUCT_METRICS = ("euclidean", "l2", "sqeuclidean")  # scikit-learn expands the squares
FITTED_METRICS = ("mahalanobis", "seuclidean")  # have parameters that depend on all rows
MAX_ANCHORS = 2048  # rows of shortest paths in a graph; memory grows with n times this number
DIAGONAL_TOLERANCE = 1e-2  # of the largest distance; float32 rounding of squares gives about 1e-3
TIE_TOLERANCE = 1e-6  # relative difference below which two distances are equal
MAX_INSPECTED_ROWS = 1000  # rows with zeros that are tested for an adjacency matrix


def make_space(
    X: Any,
    *,
    metric: Metric,
    n_neighbors: int,
    rng: np.random.RandomState,
    max_anchors: int = MAX_ANCHORS,
) -> Space:
    """The space of validated training points."""
    if sparse.issparse(X):
        return graph_space(X, rng, max_anchors=max_anchors)
    if metric == "precomputed":
        return matrix_space(X)
    if metric == "geodesic":
        return geodesic_space(X, n_neighbors, rng, max_anchors=max_anchors)
    return feature_space(X, metric)


def feature_space(X: Array, metric: Metric) -> FeatureSpace:
    """Points with coordinates, under a metric of `sklearn.metrics.pairwise_distances`."""
    if metric in FITTED_METRICS:
        raise ValueError(
            f"metric={metric!r} has parameters of its own. Scale or whiten the features in a "
            "pipeline (StandardScaler, PCA(whiten=True)) and use 'euclidean'."
        )
    expands = metric in INNER_PRODUCT_METRICS
    points, origin = _centered(X) if expands else (X.copy(), np.zeros_like(X[0]))
    return FeatureSpace(points=points, origin=origin, anchors=np.arange(len(X)), metric=metric)


def matrix_space(X: Array) -> MatrixSpace:
    """Points known by their distances, (n, n)."""
    check_distances(X)
    _refuse_adjacency(X)
    return MatrixSpace(matrix=X, anchors=np.arange(len(X)))


def graph_space(
    graph: sparse.csr_array, rng: np.random.RandomState, *, max_anchors: int = MAX_ANCHORS
) -> GraphSpace:
    """Nodes of a graph, given by its edge lengths (n, n), under shortest paths."""
    anchors = choose_anchors(graph.shape[0], rng, max_anchors)
    matrix = graph_distances(graph, edge_length="weight", sources=anchors).T
    return GraphSpace(matrix=np.ascontiguousarray(matrix), anchors=anchors, graph=graph)


def geodesic_space(
    X: Array,
    n_neighbors: int,
    rng: np.random.RandomState,
    *,
    hops: bool = False,
    max_anchors: int = MAX_ANCHORS,
) -> GeodesicSpace:
    """Points with coordinates, under shortest paths between Euclidean nearest neighbours.

    Paths are as long as their edges together, or have one unit per edge if `hops`.
    """
    points, origin = _centered(X)
    k = min(n_neighbors, len(X) - 1)
    graph = connected_neighbors(points, k)
    anchors = choose_anchors(len(X), rng, max_anchors)
    edge_length = "hops" if hops else "weight"
    matrix = graph_distances(graph, edge_length=edge_length, sources=anchors).T
    matrix = np.ascontiguousarray(matrix, dtype=X.dtype)
    return GeodesicSpace(
        matrix=matrix, anchors=anchors, points=points, origin=origin, n_neighbors=k, hops=hops
    )


def _centered(X: Array) -> tuple[Array, Array]:
    """Points around zero and their mean: inner products lose small distances far from zero."""
    origin = X.mean(0, dtype=np.float64).astype(X.dtype)
    return X - origin, origin


def connected_neighbors(X: Array, n_neighbors: int) -> sparse.csr_array:
    """The nearest-neighbour graph, joined with the edges of a minimum spanning tree it lacks.

    Clusters far apart are not linked by nearest neighbours. Each component is given its shortest
    edge to the rest until one is left (Boruvka's algorithm, started from the components).
    """
    edges = [_nearest(X, n_neighbors)]
    while True:
        i, j, length = (np.concatenate(part) for part in zip(*edges, strict=True))
        linked = sparse.csr_array((length, (i, j)), shape=(len(X), len(X)))
        n_components, component = csgraph.connected_components(linked, directed=False)
        if n_components == 1:
            return linked
        for c in range(n_components):
            inside, outside = np.flatnonzero(component == c), np.flatnonzero(component != c)
            nearest, gap = pairwise_distances_argmin_min(X[inside], X[outside])
            k = gap.argmin()
            edges.append((inside[[k]], outside[nearest[[k]]], gap[[k]]))


def _nearest(X: Array, n_neighbors: int) -> tuple[Array, Array, Array]:
    """Edges i, j and their lengths, from each point to its nearest neighbours.

    Neighbours that are as far as the last one count as well, up to twice as many: points of a grid
    would lose its symmetries if some of them were left out.
    """
    more = min(2 * n_neighbors, len(X) - 1)
    length, j = NearestNeighbors(n_neighbors=more).fit(X).kneighbors()
    near = length <= (1 + TIE_TOLERANCE) * length[:, [n_neighbors - 1]]
    return np.nonzero(near)[0], j[near], length[near]


def choose_anchors(n: int, rng: np.random.RandomState, max_anchors: int = MAX_ANCHORS) -> Index:
    """All of n rows, or a random subset of `max_anchors`, in order."""
    if n <= max_anchors:
        return np.arange(n)
    return np.sort(rng.choice(n, max_anchors, replace=False))


def check_distances(D: Array, name: str = "Precomputed distances") -> None:
    """Raise a ValueError that says what to do if D is not a matrix of distances."""
    if D.shape[0] != D.shape[1]:
        raise ValueError(
            f"{name} must be a square matrix, got shape {D.shape}. "
            "For features choose a metric such as 'euclidean'."
        )
    size = D.max(initial=0.0)
    if (abs(D.diagonal()) > DIAGONAL_TOLERANCE * size).any():
        raise ValueError(
            f"{name} must be zero on the diagonal. Similarities or kernels must be turned into "
            "distances first."
        )
    if (abs(D - D.T) > SYMMETRY_TOLERANCE * size).any():
        raise ValueError(f"{name} must be symmetric; take (D + D.T) / 2 if that is what you mean.")


def _refuse_adjacency(D: Array) -> None:
    """Raise a ValueError if zeros in D seem to mean "no edge" rather than "the same point"."""
    rows = np.flatnonzero((D == 0).sum(1) > 1)[:MAX_INSPECTED_ROWS]
    if not len(rows):
        return
    at_zero = D[rows] == 0
    at_zero[np.arange(len(rows)), rows] = False
    one, other = D[rows], D[at_zero.argmax(1)]
    # Points at distance zero are as far from all others, but for rounding.
    differ = abs(one - other).max(1) > 0.5 * np.maximum(one, other).max(1)
    if np.mean(differ) > 0.5:
        raise ValueError(
            "Most points are at distance zero from points that are far from other ones: is X an "
            "adjacency matrix? Pass graphs as sparse matrices, scipy.sparse.csr_array(X), or turn "
            "them into distances with skgw.spaces.graph_distances."
        )
