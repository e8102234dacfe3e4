"""Finite metric spaces of training rows, and distances from new points to them.

A space returns distances to its *anchors*, the training rows that a model uses. For features and
given matrices, all rows are anchors. For graphs, where each row of distances costs a search, the
anchors are a random subset of the rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import config_context
from sklearn.metrics import pairwise_distances
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from skgw.exceptions import without_foreign_warnings
from skgw.fields import Count, Numbers, Positions, SparseNumbers
from skgw.spaces.duplicates import SYMMETRY_TOLERANCE
from skgw.storable import storable

Array = NDArray[Any]
Index = NDArray[np.intp]
Metric = str | Callable[..., float]


class Space(ABC):
    """The training rows of one domain and their distances."""

    anchors: Index  # (n_anchors,), the training rows that distances are measured to

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of training rows."""

    @property
    @abstractmethod
    def n_columns(self) -> int:
        """Number of columns of new points."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of columns of new points, and number of anchors."""
        return self.n_columns, len(self.anchors)

    @abstractmethod
    def distances(self, rows: Index, j: Index) -> Array:
        """Distances from training rows to the anchors at positions `j`, (len(rows), len(j))."""

    @abstractmethod
    def from_new(self, X: Any) -> Array:
        """Distances from new points to all anchors, (len(X), n_anchors)."""

    @abstractmethod
    def restrict(self, j: Index) -> Space:
        """Keep the anchors at positions `j`, so that `from_new` computes fewer distances."""

    def between(self, i: Index, j: Index) -> Array:
        """Distances between the anchors at positions `i` and `j`, (len(i), len(j))."""
        return self.distances(self.anchors[i], j)

    def chunks_from_new(self, X: Any, n_rows: int = 2048) -> Iterator[Array]:
        """Distances from new points to all anchors, `n_rows` points at a time."""
        for chunk in gen_batches(X.shape[0], n_rows):
            yield self.from_new(X[chunk])


@storable
@dataclass(frozen=True)
class FeatureSpace(Space):
    """Features under a metric of `sklearn.metrics.pairwise_distances`.

    Sparse features stay sparse, and are not relative to an origin.
    """

    points: (
        Annotated[Array, Numbers("n", "d")] | Annotated[sparse.csr_array, SparseNumbers("n", "d")]
    )
    origin: Annotated[Array, Numbers(None)]  # (d,), or (1,) of zero for sparse features
    anchors: Annotated[Index, Positions("n", below="n")]  # all rows
    metric: Metric = "euclidean"

    def _check(self) -> None:
        _check_origin(self)
        if isinstance(self.metric, str) and self.metric != "euclidean":
            point = self.points[:1]
            if self.metric == "precomputed":
                raise ValueError("metric='precomputed' is no distance between features")
            with without_foreign_warnings(Warning, "sklearn|scipy"):  # of a conversion
                distances_between(point, point.copy(), self.metric)

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return int(self.points.shape[0])

    @property
    def n_columns(self) -> int:
        """Number of features."""
        return int(self.points.shape[1])

    def distances(self, rows: Index, j: Index) -> Array:
        """Compute distances from training rows to the anchors at positions `j`."""
        return distances_between(self.points[rows], self.points[j], self.metric)

    def from_new(self, X: Any) -> Array:
        """Compute distances from features (len(X), d) to all anchors."""
        X = X.toarray() if sparse.issparse(X) and not sparse.issparse(self.points) else X
        check_directions(X, self.metric)
        return distances_between(_relative(X, self.points, self.origin), self.points, self.metric)

    def features(self) -> Any:
        """Coordinates of the anchors, array or csr array (n_anchors, d)."""
        return _with_origin(self.points[self.anchors], self.origin)

    def restrict(self, j: Index) -> FeatureSpace:
        """Keep the anchors at positions `j` as the only training rows."""
        return replace(self, points=self.points[self.anchors[j]], anchors=np.arange(len(j)))


def _check_origin(space: FeatureSpace | GeodesicSpace) -> None:
    """Raise a ValueError unless the origin of a space has as many numbers as its points need."""
    n_offsets = 1 if sparse.issparse(space.points) else space.n_columns
    if len(space.origin) != n_offsets:
        raise ValueError(f"{type(space).__name__}.origin must have length {n_offsets}")


def _relative(X: Any, points: Any, origin: Array) -> Any:
    """New features as those of a space's points: relative to the origin, or sparse."""
    if sparse.issparse(points):
        return X
    return (X.toarray() if sparse.issparse(X) else X) - origin


def _with_origin(points: Any, origin: Array) -> Any:
    """Features of points that are relative to an origin, unless they are sparse."""
    return points if sparse.issparse(points) else points + origin


def check_directions(X: Any, metric: Metric) -> None:
    """Raise a ValueError for rows that have no angle to others, under a metric of angles."""
    if metric not in ("cosine", "correlation"):
        return
    if metric == "cosine":
        kind, lengths = "zeros", abs(X).max(axis=1)
        lengths = lengths.toarray() if sparse.issparse(lengths) else lengths
    else:
        kind, lengths = "equal numbers", np.ptp(X, axis=1)
    undefined = np.flatnonzero(np.ravel(lengths) == 0)
    if len(undefined):
        raise ValueError(
            f"metric={metric!r} is undefined for rows of {kind}, such as row {undefined[0]} "
            f"({len(undefined)} of {X.shape[0]}): leave them out, or choose 'euclidean'."
        )


def distances_between(X: Any, Y: Any, metric: Metric) -> Array:
    """Distances (b, n) between features (b, d) and (n, d), arrays or csr arrays."""
    # Features are validated already; many calls compute few distances.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        if sparse.issparse(Y) and metric == "sqeuclidean":  # scikit-learn leaves this to scipy
            return euclidean_distances(X, Y, squared=True)
        return pairwise_distances(X, Y, metric=metric)


def centred_distances(X: Array, Y: Array) -> Array:
    """Euclidean distances (b, n) between points (b, d) and (n, d), with the mean of Y as origin.

    Inner products, by which scikit-learn computes distances, lose small distances far from zero.
    """
    origin = Y.mean(0, dtype=np.float64)
    return euclidean_distances(X - origin, Y - origin)


@storable
@dataclass(frozen=True)
class MatrixSpace(Space):
    """Distances in a matrix, given by the user or computed from a graph."""

    matrix: Annotated[Array, Numbers("n", "r")]  # from n training rows to r anchors
    anchors: Annotated[Index, Positions("r", below="n")]

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self.matrix)

    @property
    def n_columns(self) -> int:
        """Number of training rows: new points are given by their distances to these."""
        return len(self.matrix)

    def distances(self, rows: Index, j: Index) -> Array:
        """Look up distances from training rows to the anchors at positions `j`."""
        return self.matrix[np.ix_(rows, j)]

    def from_new(self, X: Any) -> Array:
        """Select the anchors from distances (len(X), n_rows) to all training rows.

        Sparse rows store all distances except zeros.
        """
        if not sparse.issparse(X):
            return np.take(X, self.anchors, axis=1)
        D = X.toarray()
        for own in D:  # a row at distance zero from a training row has the same distances
            at_zero = np.flatnonzero(own == 0)
            gaps = abs(self.matrix[at_zero] - own[self.anchors])
            if len(at_zero) and gaps.max() > SYMMETRY_TOLERANCE * own.max():
                raise ValueError(
                    "The estimator was fitted to distances of all pairs, so that new rows are "
                    "distances to all training rows, and sparse rows lack some of them. "
                    "skgw.spaces.graph_distances computes distances from a graph."
                )
        return np.take(D, self.anchors, axis=1)

    def restrict(self, j: Index) -> MatrixSpace:
        """Keep the columns of the anchors at positions `j`."""
        return replace(self, matrix=np.take(self.matrix, j, axis=1), anchors=self.anchors[j])


@storable
@dataclass(frozen=True)
class GraphSpace(MatrixSpace):
    """Shortest paths in a graph.

    New nodes are given by dense rows of distances to all training nodes, or by sparse rows of edges
    to the training nodes. An edge of length zero makes a row a training node.
    """

    def from_new(self, X: Any) -> Array:
        """Compute distances to all anchors from dense rows of distances or sparse rows of edges."""
        if not sparse.issparse(X):
            return super().from_new(X)
        X = sparse.csr_array(X)
        n_edges = np.diff(X.indptr)
        if (n_edges == 0).any():
            raise ValueError(
                "A new node has no edge to the training nodes; add at least one edge. To "
                "cross-validate on a graph, pass its graph_distances."
            )
        if (n_edges == 1).all():
            return self.matrix[X.indices] + X.data[:, None]
        return np.stack([self._path_lengths(X[[i]]) for i in range(X.shape[0])])

    def _path_lengths(self, edges: sparse.csr_array) -> Array:
        """Distances from a new node to the anchors through its neighbours."""
        return (self.matrix[edges.indices] + edges.data[:, None]).min(0)


@storable
@dataclass(frozen=True)
class GeodesicSpace(MatrixSpace):
    """Shortest paths in the nearest-neighbour graph of features.

    A path from a new point starts at one of its nearest training points, as in Isomap. Sparse
    features stay sparse, and are not relative to an origin.
    """

    points: (
        Annotated[Array, Numbers("n", "d")] | Annotated[sparse.csr_array, SparseNumbers("n", "d")]
    )
    origin: Annotated[Array, Numbers(None)]  # (d,), or (1,) of zero for sparse features
    n_neighbors: Annotated[int, Count(at_most="n")]

    def _check(self) -> None:
        _check_origin(self)

    @property
    def n_columns(self) -> int:
        """Number of features."""
        return int(self.points.shape[1])

    @cached_property
    def _neighbors(self) -> NearestNeighbors:
        return NearestNeighbors(n_neighbors=self.n_neighbors).fit(self.points)

    def features(self) -> Any:
        """Coordinates of the anchors, array or csr array (n_anchors, d)."""
        return _with_origin(self.points[self.anchors], self.origin)

    def from_new(self, X: Any) -> Array:
        """Compute distances from features (len(X), d) to all anchors."""
        lengths, index = self._neighbors.kneighbors(_relative(X, self.points, self.origin))
        out = np.full((len(index), self.matrix.shape[1]), np.inf, dtype=self.matrix.dtype)
        for k in range(self.n_neighbors):
            np.minimum(out, self.matrix[index[:, k]] + lengths[:, k, None], out=out)
        return out
