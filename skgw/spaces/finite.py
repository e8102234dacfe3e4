"""Finite metric spaces of training rows, and distances from new points to them.

A space returns distances to its *anchors*, the training rows that a model uses. For features and
given matrices, all rows are anchors. For graphs, where each row of distances costs a search, the
anchors are a random subset of the rows.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from skgw.fields import Count, Numbers, Positions, Shape
from skgw.storable import storable

Array = NDArray[Any]
Index = NDArray[np.intp]
Metric = str | Callable[..., float]

DUPLICATE_TOLERANCE = 1e-3  # of the mean distance to the neighbours; covers float32 rounding


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
        """Distances from new points to all anchors, `n_rows` points at a time.

        A sparse `X` is one chunk: it may be the training graph, which must stay whole.
        """
        if sparse.issparse(X):
            yield self.from_new(X)
            return
        for chunk in gen_batches(X.shape[0], n_rows):
            yield self.from_new(X[chunk])


@storable
@dataclass(frozen=True)
class FeatureSpace(Space):
    """Features under a metric of `sklearn.metrics.pairwise_distances`."""

    points: Annotated[Array, Numbers("n", "d")]  # relative to `origin`
    origin: Annotated[Array, Numbers("d")]
    anchors: Annotated[Index, Positions("n", below="n")]  # all rows
    metric: Metric = "euclidean"

    def _check(self) -> None:
        if isinstance(self.metric, str) and self.metric != "euclidean":
            point = self.points[:1]
            if self.metric == "precomputed":
                raise ValueError("metric='precomputed' is no distance between features")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of metrics that convert the features
                pairwise_distances(point, point.copy(), metric=self.metric)

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self.points)

    @property
    def n_columns(self) -> int:
        """Number of features."""
        return int(self.points.shape[1])

    def distances(self, rows: Index, j: Index) -> Array:
        """Compute distances from training rows to the anchors at positions `j`."""
        return pairwise_distances(self.points[rows], self.points[j], metric=self.metric)

    def from_new(self, X: Array) -> Array:
        """Compute distances from features (len(X), d) to all anchors."""
        return pairwise_distances(X - self.origin, self.points, metric=self.metric)

    def features(self) -> Array:
        """Coordinates of the anchors, (n_anchors, d)."""
        return self.points[self.anchors] + self.origin

    def restrict(self, j: Index) -> FeatureSpace:
        """Keep the anchors at positions `j` as the only training rows."""
        return replace(self, points=self.points[self.anchors[j]], anchors=np.arange(len(j)))


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

    def from_new(self, X: Array) -> Array:
        """Select the anchors from distances (len(X), n_rows) to all training rows."""
        if sparse.issparse(X):
            raise ValueError(
                "The estimator was fitted to a matrix of distances, so that new rows are distances "
                "as well. skgw.spaces.graph_distances computes distances from a graph."
            )
        return X[:, self.anchors]

    def restrict(self, j: Index) -> MatrixSpace:
        """Keep the columns of the anchors at positions `j`."""
        return replace(self, matrix=self.matrix[:, j], anchors=self.anchors[j])


@storable
@dataclass(frozen=True)
class GraphSpace(MatrixSpace):
    """Shortest paths in a graph.

    New nodes are given by dense rows of distances to all training nodes, or by sparse rows of edges
    to the training nodes. The matrix of the training graph stands for the training nodes.
    """

    graph: Annotated[sparse.csr_array, Shape("n", "n")]  # edge lengths

    def from_new(self, X: Any) -> Array:
        """Compute distances to all anchors from dense rows of distances or sparse rows of edges."""
        if not sparse.issparse(X):
            return super().from_new(X)
        X = sparse.csr_array(X)
        if X.shape == self.graph.shape:
            if not _same_entries(self.graph, X):
                raise ValueError(
                    "A square graph must be the training graph. Give new nodes by rows of edges to "
                    "the training nodes, fewer rows than training nodes, or by rows of distances."
                )
            return self.matrix
        return np.stack([self._path_lengths(X[[i]]) for i in range(X.shape[0])])

    def _path_lengths(self, edges: sparse.csr_array) -> Array:
        """Distances from a new node to the anchors through its neighbours."""
        if edges.nnz == 0:
            raise ValueError(
                "A new node has no edge to the training nodes; add at least one edge. To "
                "cross-validate on a graph, pass its graph_distances."
            )
        return (self.matrix[edges.indices] + edges.data[:, None]).min(0)


@storable
@dataclass(frozen=True)
class GeodesicSpace(MatrixSpace):
    """Shortest paths in the nearest-neighbour graph of features.

    A path from a new point starts at one of its nearest training points, as in Isomap.
    """

    points: Annotated[Array, Numbers("n", "d")]  # relative to `origin`
    origin: Annotated[Array, Numbers("d")]
    n_neighbors: Annotated[int, Count(at_most="n")]
    hops: bool = False  # every edge has length 1

    @property
    def n_columns(self) -> int:
        """Number of features."""
        return int(self.points.shape[1])

    @cached_property
    def _neighbors(self) -> NearestNeighbors:
        return NearestNeighbors(n_neighbors=self.n_neighbors).fit(self.points)

    def features(self) -> Array:
        """Coordinates of the anchors, (n_anchors, d)."""
        return self.points[self.anchors] + self.origin

    def from_new(self, X: Array) -> Array:
        """Compute distances from features (len(X), d) to all anchors."""
        lengths, index = self._neighbors.kneighbors(X - self.origin)
        if self.hops:  # a training point has no hop to itself
            apart = lengths > DUPLICATE_TOLERANCE * lengths.mean(1, keepdims=True)
            lengths = apart.astype(lengths.dtype)
        out = np.full((len(X), self.matrix.shape[1]), np.inf, dtype=self.matrix.dtype)
        for k in range(self.n_neighbors):
            np.minimum(out, self.matrix[index[:, k]] + lengths[:, k, None], out=out)
        return out


def _same_entries(graph: sparse.csr_array, candidate: sparse.csr_array) -> bool:
    """Whether two graphs have the same edges, including edges of length zero."""
    for matrix in (graph, candidate):
        matrix.sort_indices()
    return all(
        np.array_equal(getattr(graph, part), getattr(candidate, part))
        for part in ("indptr", "indices", "data")
    )
