"""A domain during a fit, and its reference rows afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from skgw.base.progress import SILENT, Progress
from skgw.fields import Positions, Positive, Shape
from skgw.matching.candidate_metrics import (
    AUTO,
    CANDIDATES,
    candidate_space,
    mean_space,
)
from skgw.registration.landmark_scaling import LandmarkScaling
from skgw.spaces import GeodesicSpace, GraphSpace, MatrixSpace, Space, make_space
from skgw.spaces.build import MAX_ANCHORS, check_finite_distances, scaled_root_mean_square
from skgw.spaces.composed import SaturatedSpace
from skgw.spaces.finite import Array, Index, Metric
from skgw.spaces.node_names import training_nodes
from skgw.spaces.row_span import RowSpan, RowSpanSpace
from skgw.storable import storable

DEFAULT_NEIGHBORS = 15  # neighbours in the graph of metric="geodesic"
OF_ALL_ROWS = ("precomputed", "geodesic")  # metrics whose distances depend on all rows
BATCH = 2048  # rows that are placed at once


class TrainingDomain:
    """The training rows of one domain, and spaces of subsets.

    Parameters
    ----------
    X : array or sparse matrix
        Validated rows.
    metric : str or callable
    n_neighbors : int or None
    rng : RandomState
    candidates : tuple of str, default=CANDIDATES
        Metrics whose mean "auto" is; none for another metric.
    max_anchors : int, default=2048
        Largest number of rows from which shortest paths are searched.
    progress : Progress
        Receives the steps of this search.
    """

    def __init__(
        self,
        X: Any,
        metric: Metric,
        n_neighbors: int | None,
        rng: np.random.RandomState,
        candidates: tuple[str, ...] = CANDIDATES,
        max_anchors: int = MAX_ANCHORS,
        progress: Progress = SILENT,
    ) -> None:
        self.X, self.metric, self.rng = X, metric, rng
        self.n_neighbors = n_neighbors or DEFAULT_NEIGHBORS
        self.candidates = candidates if metric == AUTO else ()
        self.max_anchors, self.progress = max_anchors, progress
        self.whole = self._build(X, metric) if metric in OF_ALL_ROWS else None
        self._known: list[ReferenceDomain] = []

    @property
    def rows(self) -> Any:
        """The training rows as `Space.from_new` takes them."""
        if isinstance(self.whole, GraphSpace):
            n = self.whole.n_rows
            return training_nodes(np.arange(n), n)
        return self.X

    @cached_property
    def scaling(self) -> LandmarkScaling | None:
        """Coordinates by the distances to the anchors; None for rows that are coordinates."""
        if not isinstance(self.whole, GeodesicSpace):
            return None
        return LandmarkScaling.of(self.whole.matrix, self.whole.anchors)

    def coordinates(self) -> Any:
        """Rows (n, k) for Euclidean distances: the features, or by landmark scaling."""
        if self.scaling is None or not isinstance(self.whole, GeodesicSpace):
            return self.X
        D = self.whole.matrix
        return np.concatenate([self.scaling.transform(D[i]) for i in gen_batches(len(D), BATCH)])

    def sample(self, size: int, always: Index, *, of_anchors: bool = True) -> Index:
        """Training rows in order: all, or the rows `always` and random ones up to `size`.

        Only anchors have distances between them; by `of_anchors` other rows are left out.
        """
        rows = np.arange(self.X.shape[0])
        if self.whole is not None and of_anchors:
            rows = self.whole.anchors
        if len(rows) <= size:
            return rows
        others = self.rng.permutation(np.setdiff1d(rows, always))
        return np.sort(np.r_[always, others[: max(0, size - len(always))]])

    def reference(self, metric: Metric, rows: Index) -> ReferenceDomain:
        """The domain under a metric, with these reference rows.

        The last two of its own metric are kept: plans are sought, judged and coupled between the
        same rows.
        """
        if metric != self.metric:
            return ReferenceDomain.of(self.space(metric, rows), rows)
        for known in self._known:
            if np.array_equal(known.rows, rows):
                return known
        found = ReferenceDomain.of(self.space(metric, rows), rows)
        self._known = [found, *self._known[:1]]
        return found

    def space(self, metric: Metric, rows: Index) -> Space:
        """The space of these rows alone, each row an anchor."""
        if self.whole is not None:
            if len(rows) == len(self.whole.anchors):
                return self.whole
            return self.whole.restrict(np.searchsorted(self.whole.anchors, rows))
        return self._build(self.X[rows], metric)

    def _build(self, X: Any, metric: Metric) -> Space:
        if sparse.issparse(X) and metric in (AUTO, *CANDIDATES):
            return self._build_sparse(X, metric)
        if metric == AUTO:
            return mean_space(X, self.candidates, self.rng, self.n_neighbors)
        if metric in CANDIDATES:
            return candidate_space(X, str(metric), self.rng, self.n_neighbors)
        return make_space(
            X, metric=metric, n_neighbors=self.n_neighbors, rng=self.rng,
            max_anchors=self.max_anchors, report=self.progress.step,
        )  # fmt: skip

    def _build_sparse(self, X: sparse.csr_array, metric: Metric) -> Space:
        """The space of sparse rows under candidate metrics, which prepare dense features."""
        if X.shape[1] <= X.shape[0]:
            return self._build(X.toarray(), metric)
        span = RowSpan.of(X)
        space = self._build(span(X), metric)
        return RowSpanSpace(space=space, span=span, anchors=space.anchors)


@storable
@dataclass(frozen=True)
class ReferenceDomain:
    """The reference rows of a domain, to which distances of other rows are measured.

    Attributes
    ----------
    space : Space
        Its anchors are the reference rows.
    scale : float
        Root mean square distance between the reference rows.
    rows : array of int of shape (r,)
        Positions of the reference rows among the training rows.
    """

    space: Annotated[Space, Shape("p", "r")]
    scale: Positive
    rows: Annotated[Index, Positions("r")]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of columns of new rows, and twice the number of reference rows."""
        p, r = self.space.shape
        return p, r, r

    @classmethod
    def of(cls, space: Space, rows: Index) -> ReferenceDomain:
        """The domain with these reference rows, the anchors of its space."""
        return cls(space, root_mean_square(all_distances(space)), rows)

    @property
    def plain(self) -> ReferenceDomain:
        """The domain under its distances before they were saturated."""
        if not isinstance(self.space, SaturatedSpace):
            return self
        return ReferenceDomain.of(self.space.space, self.rows)

    def saturated(self, n_neighbors: int) -> ReferenceDomain:
        """The domain under saturated distances, which level off beyond the local scale.

        The local scale is the median distance to the `n_neighbors`-th neighbour; in small domains
        the neighbour's rank is a third of the number of rows.
        """
        D = self.between()
        k = min(n_neighbors, len(D) // 3)
        reach = float(np.median(np.partition(D, k, axis=1)[:, k])) * self.scale
        space = SaturatedSpace(space=self.space, reach=reach or 1.0, anchors=self.space.anchors)
        return ReferenceDomain.of(space, self.rows)

    def distances(self, X: Any) -> Array:
        """From validated rows to the reference rows, divided by the scale, (len(X), r)."""
        return np.concatenate(list(self.chunks(X)))

    def chunks(self, X: Any) -> Iterator[Array]:
        """Chunks of rows of the result of `distances`."""
        for distances in self.space.chunks_from_new(X):
            yield distances / self.scale

    def features(self, X: Any) -> Array:
        """What the extension of a plan reads of validated rows: distances, (len(X), r)."""
        return self.distances(X)

    def reference_features(self) -> Array:
        """What the extension of a plan reads of the reference rows: distances, (r, r)."""
        return self.between()

    def between(self) -> Array:
        """Distances between the reference rows, divided by the scale, (r, r)."""
        return self._between

    @cached_property
    def _between(self) -> Array:
        return all_distances(self.space) / self.scale

    def without_distances(self) -> ReferenceDomain:
        """The domain as it is, without the distances that `between` keeps."""
        return replace(self)

    def points(self, X: Any) -> Any:
        """Features of the reference rows, or their distances to all training rows, (r, width).

        Distances stand for features where the features are unknown.
        """
        space = self.plain.space
        if isinstance(space, MatrixSpace) and not isinstance(space, GeodesicSpace):
            return space.matrix.T
        return X[self.rows]


def reference_domains(
    domains: tuple[TrainingDomain, TrainingDomain],
    metrics: tuple[Metric, Metric],
    rows: tuple[Index, Index],
) -> tuple[ReferenceDomain, ReferenceDomain]:
    """Both domains under these metrics, with these reference rows."""
    x, y = (
        domain.reference(metric, i)
        for domain, metric, i in zip(domains, metrics, rows, strict=True)
    )
    return x, y


DomainPair = tuple[TrainingDomain, TrainingDomain]


def all_distances(space: Space) -> Array:
    """Distances between the anchors of a space."""
    every = np.arange(len(space.anchors))
    return space.between(every, every)


def root_mean_square(D: Array) -> float:
    """Root mean square of distances; 1 if all distances are zero.

    Raises
    ------
    ValueError
        If a distance is negative or not finite.
    """
    check_finite_distances(D)
    return scaled_root_mean_square(D) or 1.0
