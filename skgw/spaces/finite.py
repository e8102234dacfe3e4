"""Finite metric spaces: distances among training rows in blocks, and of new points to them.

A space serves distances to its *anchors*, the training rows that a model works with. All rows are
anchors where distances are cheap (features, given matrices); where each row costs a search through
a graph, a random subset is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from skgw.storable import storable

Array = NDArray[Any]
Index = NDArray[np.intp]
Metric = str | Callable[..., float]

SAME_POINT = 1e-3  # of the mean distance to neighbours: below it is rounding of float32 products


class Space(ABC):
    """The training rows of one domain, seen through their distances."""

    anchors: Index  # (n_anchors,), the training rows that distances are measured to

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of training rows."""

    @abstractmethod
    def distances(self, rows: Index, j: Index) -> Array:
        """Distances from training rows to the anchors at positions `j`, (len(rows), len(j))."""

    @abstractmethod
    def from_new(self, X: Any) -> Array:
        """Distances from new points to all anchors, (len(X), n_anchors)."""

    @abstractmethod
    def restrict(self, j: Index) -> Space:
        """The space with the anchors at positions `j` only, for `from_new`."""

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
    """Points with coordinates, under any metric of `sklearn.metrics.pairwise_distances`."""

    points: Array  # (n_anchors, d), less `origin`
    origin: Array  # (d,)
    anchors: Index
    metric: Metric = "euclidean"

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self.points)

    def distances(self, rows: Index, j: Index) -> Array:
        """Computed when asked for."""
        return pairwise_distances(self.points[rows], self.points[j], metric=self.metric)

    def from_new(self, X: Array) -> Array:
        """From features."""
        return pairwise_distances(X - self.origin, self.points, metric=self.metric)

    def features(self) -> Array:
        """Coordinates of the anchors, (n_anchors, d)."""
        return self.points[self.anchors] + self.origin

    def restrict(self, j: Index) -> FeatureSpace:
        """Forgets the other points: the anchors become all there is."""
        return replace(self, points=self.points[self.anchors[j]], anchors=np.arange(len(j)))


@storable
@dataclass(frozen=True)
class MatrixSpace(Space):
    """Distances that were given, or computed from a graph once."""

    matrix: Array  # (n_rows, n_anchors)
    anchors: Index

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return len(self.matrix)

    def distances(self, rows: Index, j: Index) -> Array:
        """Looked up."""
        return self.matrix[np.ix_(rows, j)]

    def from_new(self, X: Array) -> Array:
        """From rows of distances to all training rows."""
        if sparse.issparse(X):
            raise ValueError(
                "The fit was to a matrix of distances, so new rows are distances as well; "
                "skgw.spaces.graph_distances makes them from a graph."
            )
        return X[:, self.anchors]

    def restrict(self, j: Index) -> MatrixSpace:
        """Forgets the other columns."""
        return replace(self, matrix=self.matrix[:, j], anchors=self.anchors[j])


@storable
@dataclass(frozen=True)
class GraphSpace(MatrixSpace):
    """Shortest paths in a graph. New nodes come as rows of distances, or as sparse rows of edges.

    The sparse rows are edges from the new nodes to the training nodes; the training graph's own
    matrix stands for the training nodes themselves.
    """

    graph: sparse.csr_array  # (n_rows, n_rows), edge lengths

    def from_new(self, X: Any) -> Array:
        """From rows of distances to all training nodes, or from sparse rows of edges to them."""
        if not sparse.issparse(X):
            return super().from_new(X)
        X = sparse.csr_array(X)
        if X.shape == self.graph.shape:
            if not _same_entries(self.graph, X):
                raise ValueError(
                    "A square graph must be the training graph. Embed other nodes by their edges "
                    "to the training nodes, fewer than those at a time, or by their distances."
                )
            return self.matrix
        return np.stack([self._through(X[[i]]) for i in range(X.shape[0])])

    def _through(self, edges: sparse.csr_array) -> Array:
        """Distances of a new node to the anchors by way of its neighbours."""
        if edges.nnz == 0:
            raise ValueError(
                "A new node has no edge to the training nodes; give it at least one. To "
                "cross-validate on a graph, pass its graph_distances."
            )
        return (self.matrix[edges.indices] + edges.data[:, None]).min(0)


@storable
@dataclass(frozen=True)
class GeodesicSpace(MatrixSpace):
    """Shortest paths in the nearest-neighbour graph of points with coordinates.

    New points reach the anchors through their neighbours among the training points, as in Isomap.
    """

    points: Array  # (n_rows, d), less `origin`
    origin: Array  # (d,)
    n_neighbors: int
    hops: bool = False  # every edge has length 1

    @cached_property
    def _neighbors(self) -> NearestNeighbors:
        return NearestNeighbors(n_neighbors=self.n_neighbors).fit(self.points)

    def features(self) -> Array:
        """Coordinates of the anchors, (n_anchors, d)."""
        return self.points[self.anchors] + self.origin

    def from_new(self, X: Array) -> Array:
        """From features."""
        lengths, index = self._neighbors.kneighbors(X - self.origin)
        if self.hops:  # a point that is among the training points is at none from itself
            apart = lengths > SAME_POINT * lengths.mean(1, keepdims=True)
            lengths = apart.astype(lengths.dtype)
        out = np.full((len(X), self.matrix.shape[1]), np.inf, dtype=self.matrix.dtype)
        for k in range(self.n_neighbors):
            np.minimum(out, self.matrix[index[:, k]] + lengths[:, k, None], out=out)
        return out


def _same_entries(one: sparse.csr_array, other: sparse.csr_array) -> bool:
    """Whether two graphs have the same edges, those of length zero included."""
    for graph in (one, other):
        graph.sort_indices()
    return all(
        np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("indptr", "indices", "data")
    )
