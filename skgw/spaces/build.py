"""Constructors of finite metric spaces from an estimator's validated input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from skgw.exceptions import warn_user
from skgw.spaces.duplicates import (
    DIAGONAL_TOLERANCE,
    MAX_INSPECTED_ROWS,
    SYMMETRY_TOLERANCE,
    duplicate_gaps,
)
from skgw.spaces.finite import (
    Array,
    FeatureSpace,
    GeodesicSpace,
    GraphSpace,
    Index,
    MatrixSpace,
    Metric,
    Space,
    check_directions,
    distances_between,
)
from skgw.spaces.graphs import edge_lengths, graph_distances, stores_all_distances

# Metrics that scikit-learn computes between sparse rows.
SPARSE_METRICS = ("euclidean", "l2", "sqeuclidean", "cosine", "cityblock", "l1", "manhattan")
INNER_PRODUCT_METRICS = ("euclidean", "l2", "sqeuclidean")  # scikit-learn expands the squares
FITTED_METRICS = ("mahalanobis", "seuclidean")  # have parameters that depend on all rows
PATHS_AT_ONCE = 100  # sources of shortest paths between two reports
MAX_ANCHORS = 2048  # rows of shortest paths in a graph; memory grows with n times this number
TIE_TOLERANCE = 1e-6  # relative difference below which two distances are equal


def make_space(
    X: Any,
    *,
    metric: Metric,
    n_neighbors: int,
    rng: np.random.RandomState,
    max_anchors: int = MAX_ANCHORS,
    weights: Array | None = None,
    report: Callable[[str], None] | None = None,
) -> Space:
    """Build the space of validated training rows.

    Parameters
    ----------
    X : array or sparse array of shape (n, d) or (n, n)
        Features, or for "precomputed" distances, or the edge lengths of a graph as a sparse array.
        A sparse array that stores every pair holds distances.
    metric : str or callable
        "precomputed" for distances and graphs, "geodesic" for shortest paths between nearest
        neighbours, or a metric of `sklearn.metrics.pairwise_distances`.
    n_neighbors : int
        Neighbours that "geodesic" links.
    rng : RandomState
        Source of the random subset of anchors.
    max_anchors : int, default=2048
        Largest number of anchors of a graph.
    weights : array of shape (n,), optional
        Weights of the rows; a subset of anchors has rows with weight only.
    report : callable, optional
        Receives the state of the search for shortest paths between neighbours, in words.

    Returns
    -------
    Space

    Raises
    ------
    ValueError
        If distances are not square, zero on the diagonal and symmetric, if a graph is not
        connected, or if the metric has fitted parameters.

    Warns
    -----
    UserWarning
        If distances look like an adjacency matrix.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.RandomState(0)
    >>> space = make_space(np.eye(3), metric="cityblock", n_neighbors=2, rng=rng)
    >>> space.distances(np.array([0]), np.array([0, 1, 2]))
    array([[0., 2., 2.]])
    """
    if metric == "precomputed":
        if not sparse.issparse(X):
            return matrix_space(X)
        if stores_all_distances(X):
            return matrix_space(X.toarray())
        return graph_space(X, rng, max_anchors=max_anchors, weights=weights)
    if metric == "geodesic":
        return geodesic_space(
            X, n_neighbors, rng, max_anchors=max_anchors, weights=weights, report=report
        )
    return feature_space(X, metric)


def feature_space(X: Any, metric: Metric) -> FeatureSpace:
    """Build the space of features (n, d) under a metric of scikit-learn.

    Parameters
    ----------
    X : array or csr array of shape (n, d)
        A csr array needs a metric of `SPARSE_METRICS`, such as "euclidean" and "cosine".
    metric : str or callable
        Metric of `sklearn.metrics.pairwise_distances` without fitted parameters.

    Raises
    ------
    ValueError
        If the metric is unknown, does not fit the features, or has parameters that depend on all
        rows.
    """
    if metric in FITTED_METRICS:
        raise ValueError(
            f"metric={metric!r} has parameters that depend on the rows. Scale or whiten the "
            "features in a pipeline (StandardScaler, PCA(whiten=True)) and use 'euclidean'."
        )
    if isinstance(metric, str):
        try:
            distances_between(X[:1], X[:1], metric)
        except ValueError as error:
            raise ValueError(f"metric={metric!r} gives no distances: {error}.") from error
    check_directions(X, metric)
    expands = metric in INNER_PRODUCT_METRICS or sparse.issparse(X)
    points, origin = _centered(X) if expands else (X.copy(), np.zeros_like(X[0]))
    anchors = np.arange(X.shape[0])
    return FeatureSpace(points=points, origin=origin, anchors=anchors, metric=metric)


def matrix_space(X: Array) -> MatrixSpace:
    """Build the space of a distance matrix (n, n).

    Raises
    ------
    ValueError
        If the matrix is not square, zero on the diagonal and symmetric.

    Warns
    -----
    UserWarning
        If the matrix looks like an adjacency matrix.
    """
    check_distances(X)
    _warn_of_adjacency(X)
    return MatrixSpace(matrix=X, anchors=np.arange(len(X)))


def graph_space(
    graph: sparse.csr_array,
    rng: np.random.RandomState,
    *,
    max_anchors: int = MAX_ANCHORS,
    weights: Array | None = None,
) -> GraphSpace:
    """Build the space of the nodes of a graph under shortest paths.

    Parameters
    ----------
    graph : sparse array of shape (n, n)
        Edge lengths, as `edge_lengths` returns them.
    rng : RandomState
        Source of the random subset of anchors.
    max_anchors : int, default=2048
        Largest number of anchors.
    weights : array of shape (n,), optional
        As for `choose_anchors`.

    Raises
    ------
    ValueError
        If the graph is not connected.
    """
    anchors = choose_anchors(graph.shape[0], rng, max_anchors, weights)
    matrix = graph_distances(graph, edge_length="weight", sources=anchors).T
    return GraphSpace(matrix=np.ascontiguousarray(matrix), anchors=anchors)


def geodesic_space(
    X: Any,
    n_neighbors: int,
    rng: np.random.RandomState,
    *,
    max_anchors: int = MAX_ANCHORS,
    weights: Array | None = None,
    report: Callable[[str], None] | None = None,
) -> GeodesicSpace:
    """Build the space of features under shortest paths between Euclidean nearest neighbours.

    Parameters
    ----------
    X : array or csr array of shape (n, d)
    n_neighbors : int
        Neighbours that each point is linked to; at most n - 1 are used.
    rng : RandomState
        Source of the random subset of anchors.
    max_anchors : int, default=2048
        Largest number of anchors.
    weights : array of shape (n,), optional
        As for `choose_anchors`.
    report : callable, optional
        As for `make_space`.
    """
    points, origin = _centered(X)
    n = X.shape[0]
    k = min(n_neighbors, n - 1)
    lengths = edge_lengths(connected_neighbors(points, k), "weight")
    anchors = choose_anchors(n, rng, max_anchors, weights)
    matrix = np.empty((n, len(anchors)), dtype=X.dtype)
    for some in gen_batches(len(anchors), PATHS_AT_ONCE):
        matrix[:, some] = csgraph.dijkstra(lengths, indices=anchors[some]).T
        if report is not None:
            report(f"shortest paths from {some.stop} of {len(anchors)} rows")
    return GeodesicSpace(
        matrix=matrix, anchors=anchors, points=points, origin=origin, n_neighbors=k
    )


def _centered(X: Any) -> tuple[Any, Array]:
    """Centred points and their mean; inner products lose small distances far from zero.

    Sparse points stay as they are.
    """
    if sparse.issparse(X):
        return X.copy(), np.zeros(1)
    origin = X.mean(0, dtype=np.float64).astype(X.dtype)
    return X - origin, origin


def connected_neighbors(X: Any, n_neighbors: int) -> sparse.csr_array:
    """Nearest-neighbour graph (n, n), connected by edges of a minimum spanning tree.

    Nearest neighbours do not link clusters that are far apart. Until one component is left, each
    component receives its shortest edge to the other components: the algorithm of
    :cite:t:`boruvka1926`, started from the components.
    """
    edges = [_nearest(X, n_neighbors)]
    while True:
        i, j, length = (np.concatenate(part) for part in zip(*edges, strict=True))
        linked = sparse.csr_array((length, (i, j)), shape=(X.shape[0],) * 2)
        n_components, component = csgraph.connected_components(linked, directed=False)
        if n_components == 1:
            return linked
        for c in range(n_components):
            inside, outside = np.flatnonzero(component == c), np.flatnonzero(component != c)
            nearest, gap = pairwise_distances_argmin_min(X[inside], X[outside])
            k = gap.argmin()
            edges.append((inside[[k]], outside[nearest[[k]]], gap[[k]]))


def _nearest(X: Any, n_neighbors: int) -> tuple[Array, Array, Array]:
    """Edges i, j and their lengths, from each point to its nearest neighbours.

    Ties with the last neighbour are included, up to `n_neighbors` of them, so that the graph of a
    grid keeps the symmetries of the grid.
    """
    n_candidates = min(2 * n_neighbors, X.shape[0] - 1)
    length, j = NearestNeighbors(n_neighbors=n_candidates).fit(X).kneighbors()
    near = length <= (1 + TIE_TOLERANCE) * length[:, [n_neighbors - 1]]
    return np.nonzero(near)[0], j[near], length[near]


def choose_anchors(
    n: int,
    rng: np.random.RandomState,
    max_anchors: int = MAX_ANCHORS,
    weights: Array | None = None,
) -> Index:
    """Choose all of n rows, or a random subset of `max_anchors` rows in increasing order.

    A subset has no rows without weight, if there are `weights` (n,).
    """
    if n <= max_anchors:
        return np.arange(n)
    rows = np.arange(n) if weights is None else np.flatnonzero(weights)
    if len(rows) <= max_anchors:
        return rows
    return np.sort(rows[rng.choice(len(rows), max_anchors, replace=False)])


def check_finite_distances(D: Array) -> None:
    """Raise a ValueError if the metric gave a distance that is negative or not finite."""
    if not np.isfinite(D).all() or D.min() < 0:
        raise ValueError("The metric gave distances that are negative, NaN or infinite.")


def without_negative_rounding(values: Array) -> Array:
    """Distances, with negative values as small as rounding errors set to zero.

    One minus a cosine, computed in float32, is about -1e-7 for equal directions.

    Raises
    ------
    ValueError
        If a value is negative beyond rounding.
    """
    smallest = values.min(initial=0.0)
    if smallest < -SYMMETRY_TOLERANCE * values.max(initial=0.0):
        raise ValueError(
            f"Negative values in data passed to X, such as {smallest:.3g}: distances are not "
            "negative. Turn similarities, such as correlations, into distances first: 1 - X if "
            "they are at most 1."
        )
    return values.clip(min=0) if smallest < 0 else values


def scaled_root_mean_square(D: Array, weights: Array | None = None) -> float:
    """Root mean square of distances D (n, m); the squares neither overflow nor underflow.

    With `weights` (n,) of rows and columns, the mean is weighted.
    """
    largest = float(D.max(initial=0.0))
    if largest == 0:
        return 0.0
    if weights is not None and np.ptp(weights) > 0:
        share = weights / weights.sum()
        return largest * float(np.sqrt(share @ np.square(D / largest) @ share))
    return largest * float(np.sqrt(np.mean(np.square(D / largest, dtype=np.float64))))


def check_distances(D: Array, name: str = "Precomputed distances") -> None:
    """Raise a ValueError unless D (n, n) is zero on the diagonal and symmetric."""
    if D.shape[0] != D.shape[1]:
        raise ValueError(
            f"{name} must be a square matrix, got shape {D.shape}. "
            "For features choose a metric such as 'euclidean'."
        )
    largest = D.max(initial=0.0)
    if (abs(D.diagonal()) > DIAGONAL_TOLERANCE * largest).any():
        raise ValueError(
            f"{name} must be zero on the diagonal. Similarities or kernels must be turned into "
            "distances first: 1 - X for similarities of at most 1."
        )
    if (abs(D - D.T) > SYMMETRY_TOLERANCE * largest).any():
        raise ValueError(
            f"{name} must be symmetric; take (D + D.T) / 2 to average the two directions."
        )


def _warn_of_adjacency(D: Array) -> None:
    """Warn if zeros in D seem to mean "no edge" rather than "the same point".

    Most rows then have a zero to a row that differs in a distance by more than half of the larger
    one. Measured dissimilarities have such zeros as well, in few rows.
    """
    gaps, largest = duplicate_gaps(D)
    if np.sum(gaps > 0.5 * largest) > 0.5 * min(len(D), MAX_INSPECTED_ROWS):
        warn_user(
            "Most points have a distance of zero to a point whose distances to the rest differ: is "
            "X an adjacency matrix? Pass a graph as a sparse matrix, scipy.sparse.csr_array(X), or "
            "compute distances with skgw.spaces.graph_distances(scipy.sparse.csr_array(X)).",
            UserWarning,
        )
