"""What an autoencoder reads of a domain: features, or coordinates from distances to landmarks.

Features with Euclidean distances are read as they are. Under another metric, and where distances or
a graph are all that is known, a row is read as coordinates by `LandmarkScaling`, whose Euclidean
distances are close to the distances of the domain over their root mean square. Encoders, matchings
and decoders know coordinates only; a `DomainRows` converts rows to coordinates and back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances

from skgw.fields import Numbers, Positions, PositiveInteger, Shape, SparseNumbers
from skgw.spaces import GraphSpace, graph_distances, make_space
from skgw.spaces.build import MAX_ANCHORS
from skgw.spaces.finite import Array, Index, Metric, centred_distances
from skgw.spaces.node_names import training_nodes
from skgw.storable import storable
from skgw.translation.matches import in_chunks
from skgw.translation.placement import Placement

MAX_COMPARED = 1000  # training rows that `score` measures distances to
N_NEIGHBORS = 5  # training rows that a decoded row is interpolated from
COINCIDENCE = 1e-12  # squared distance, over the largest one, below which two points coincide


class DomainRows(ABC):
    """Conversion between the rows of a domain and what its autoencoder reads."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Number of columns of rows, and number of coordinates."""

    @abstractmethod
    def training_coordinates(self, X: Any) -> Array:
        """What the encoder reads of the validated training rows, (n, k)."""

    @abstractmethod
    def coordinates(self, X: Any) -> Array:
        """What the encoder reads of validated rows, (b, k)."""

    @abstractmethod
    def rows(self, points: Array) -> Array:
        """Rows (b, p) of decoded points (b, k)."""

    @abstractmethod
    def training_rows(self, index: Index, points: Array) -> Array:
        """Training rows (b, p) by their positions (b,) and their coordinates (b, k)."""

    @abstractmethod
    def to_reference(self, X: Any, points: Array) -> tuple[Array, Array]:
        """Distances from rows to training rows, for `score`.

        Parameters
        ----------
        X : array or sparse array of b rows
            Validated.
        points : array of shape (n, k)
            Coordinates of training rows.

        Returns
        -------
        distances : array of shape (b, r)
            To up to 1000 training rows, over the RMS distance of training rows.
        reference : array of shape (r, k)
            Coordinates of these training rows.
        """


def read_domain(
    X: Any,
    metric: Metric,
    n_neighbors: int,
    n_landmarks: int,
    rng: np.random.RandomState,
    *,
    max_anchors: int = MAX_ANCHORS,
) -> DomainRows:
    """Read the training rows of a domain.

    Parameters
    ----------
    X : array or sparse array
        Validated: features, distances, or the edge lengths of a graph.
    metric : str or callable
    n_neighbors : int
        Neighbours that "geodesic" links.
    n_landmarks : int
        Largest number of landmarks.
    rng : RandomState
        Source of the landmarks; unused for "euclidean".
    max_anchors : int, default=2048
        Largest number of nodes of a graph whose distances to all nodes are kept.

    Raises
    ------
    ValueError
        If the rows have no finite distances.
    """
    if metric == "euclidean":
        return FeatureRows(X.shape[1])
    of_distances = metric == "precomputed"
    space = make_space(
        X, metric=metric, n_neighbors=n_neighbors, rng=rng,
        max_anchors=max_anchors if of_distances else n_landmarks,
    )  # fmt: skip
    landmarks = np.sort(rng.permutation(len(space.anchors))[:n_landmarks])
    placement = Placement.of(space, landmarks)
    n, every = space.n_rows, np.arange(len(space.anchors))
    is_graph = isinstance(space, GraphSpace)
    points = placement.coordinates(training_nodes(np.arange(n), n) if is_graph else X)
    if not of_distances:
        return LandmarkRows(placement, points, X.copy())
    from_anchors = np.array(space.distances(np.arange(n), every).T, order="C")
    graph = X if len(every) < n else None
    return DistanceRows(placement, points, space.anchors, from_anchors, graph)


@storable
@dataclass(frozen=True)
class FeatureRows(DomainRows):
    """Features, which the autoencoder reads as they are."""

    n_features: PositiveInteger

    @property
    def shape(self) -> tuple[int, int]:
        """Number of features, twice."""
        return self.n_features, self.n_features

    def training_coordinates(self, X: Array) -> Array:
        """The rows themselves."""
        return X

    def coordinates(self, X: Array) -> Array:
        """The rows themselves."""
        return X

    def rows(self, points: Array) -> Array:
        """The decoded points themselves."""
        return points

    def training_rows(self, index: Index, points: Array) -> Array:
        """The training rows, which are their own coordinates."""
        return points

    def to_reference(self, X: Array, points: Array) -> tuple[Array, Array]:
        """Distances to the first training rows, over their RMS distance."""
        reference = points[:MAX_COMPARED]
        return centred_distances(X, reference) / rms_distance_of_rows(reference), reference


@dataclass(frozen=True)
class PlacedRows(DomainRows):
    """Rows whose coordinates rest on landmarks."""

    placement: Annotated[Placement, Shape("p", "k")]
    points: Annotated[Array, Numbers("n", "k")]  # coordinates of the training rows

    @property
    def shape(self) -> tuple[int, int]:
        """Number of columns of rows, and number of coordinates."""
        return self.placement.shape

    def training_coordinates(self, X: Any) -> Array:
        """The coordinates that are known."""
        return self.points

    def coordinates(self, X: Any) -> Array:
        """Coordinates by landmark scaling."""
        return self.placement.coordinates(X)

    def to_reference(self, X: Any, points: Array) -> tuple[Array, Array]:
        """Distances to the landmarks, over the RMS distance from training rows to landmarks."""
        return self.placement.distances(X), self.placement.landmarks


@storable
@dataclass(frozen=True)
class LandmarkRows(PlacedRows):
    """Features with other than Euclidean distances."""

    features: Annotated[Array, Numbers("n", "p")]

    def rows(self, points: Array) -> Array:
        """Weighted means of the features of the nearest training rows."""

        def means(part: Array) -> Array:
            near, weights = neighbors(euclidean_distances(part, self.points, squared=True))
            return np.einsum("bj,bjp->bp", weights, self.features[near])

        return in_chunks(points, means)

    def training_rows(self, index: Index, points: Array) -> Array:
        """Features of training rows."""
        return self.features[index]


@storable
@dataclass(frozen=True)
class DistanceRows(PlacedRows):
    """Distances to the training rows; nothing else of a row is known."""

    anchors: Annotated[Index, Positions("a", below="n")]  # in order
    from_anchors: Annotated[Array, Numbers("a", "n")]  # from the anchors to all training rows
    graph: Annotated[sparse.csr_array, SparseNumbers("n", "n")] | None  # if not all are anchors

    def _check(self) -> None:
        n_rows = self.from_anchors.shape[1]
        if self.shape[0] != n_rows or (np.diff(self.anchors) <= 0).any():
            raise ValueError("DistanceRows holds distances to other rows than the training rows")
        if len(self.anchors) < n_rows and self.graph is None:
            raise ValueError("DistanceRows lacks distances from training rows")

    def rows(self, points: Array) -> Array:
        """Distances (b, n) from decoded points to all training rows.

        Squared distances of coordinates differ from squared distances of the domain. The difference
        at the nearest training rows corrects the squared distances of a point: the distances from
        the coordinates of a training row are its own distances, and the coordinates of the result
        are the point again.
        """
        return in_chunks(points, self._from_points)

    def training_rows(self, index: Index, points: Array) -> Array:
        """Distances from training rows to all training rows."""
        if self.graph is None or np.isin(index, self.anchors).all():
            return self.from_anchors[np.searchsorted(self.anchors, index)]
        nodes, inverse = np.unique(index, return_inverse=True)
        return graph_distances(self.graph, edge_length="weight", sources=nodes)[inverse]

    def _from_points(self, points: Array) -> Array:
        squares = euclidean_distances(points, self.points, squared=True)
        near, weights = neighbors(squares[:, self.anchors])
        for anchor, weight in zip(near.T, weights.T, strict=True):
            by_points = self.points[self.anchors[anchor]]
            difference = np.square(self.from_anchors[anchor] / self.placement.scale)
            difference -= euclidean_distances(by_points, self.points, squared=True)
            squares += weight[:, None] * difference
        return self.placement.scale * np.sqrt(squares.clip(0))


def check_kinds(
    domains: Iterable[DomainRows], metrics: Iterable[Metric], positions: Iterable[Index]
) -> None:
    """Raise a ValueError unless domains are of the kinds that their metrics need.

    The positions are of training rows that the domains should have.
    """
    kinds: dict[Metric, type[DomainRows]] = {
        "euclidean": FeatureRows,
        "precomputed": DistanceRows,
    }
    for domain, metric, index in zip(domains, metrics, positions, strict=True):
        if not isinstance(domain, kinds.get(metric, LandmarkRows)):
            raise ValueError(f"the fitted rows are none of metric={metric!r}")
        if isinstance(domain, PlacedRows) and index.max() >= len(domain.points):
            raise ValueError("matched rows are none of the training rows")


def neighbors(squares: Array) -> tuple[Index, Array]:
    """Nearest columns of squared distances (b, n), and weights that fall with the squares.

    Returns
    -------
    near : array of int of shape (b, j)
    weights : array of shape (b, j)
        Proportional to the inverse squares; 1 for a column that coincides with the point.
    """
    n_near = min(N_NEIGHBORS, squares.shape[1])
    near = np.argpartition(squares, n_near - 1, axis=1)[:, :n_near]
    floor = COINCIDENCE * squares.max(initial=0.0) or 1.0
    inverse = 1 / np.take_along_axis(squares, near, 1).clip(floor)
    return near, inverse / inverse.sum(1, keepdims=True)


def rms_distance_of_rows(X: Array) -> float:
    """RMS distance of rows; 1 if all rows coincide."""
    return float(np.sqrt(2 * X.var(0).sum())) or 1.0
