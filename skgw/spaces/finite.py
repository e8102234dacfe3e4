"""Finite metric spaces: distances among training points in blocks, and of new points to them.

A space serves distances to its *anchors*, the training rows that a model works with. All training
rows are anchors where blocks of distances are cheap (features, given matrices); where each row
costs a search through a graph, a random subset is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances

Index = NDArray[np.intp]
Metric = str | Callable[..., float]


class Space(ABC):
    """Training rows of one domain, seen through their distances.

    Attributes
    ----------
    n_rows : int
        Training rows.
    anchors : array of shape (n_anchors,)
        The training rows that distances are measured to.
    """

    n_rows: int
    anchors: Index

    @abstractmethod
    def between(self, i: Index, j: Index) -> NDArray[Any]:
        """Distances between anchors, by their position in `anchors`, (len(i), len(j))."""

    @abstractmethod
    def from_rows(self, rows: Index, j: Index) -> NDArray[Any]:
        """Distances from training rows to anchors at positions `j`, (len(rows), len(j))."""

    @abstractmethod
    def from_new(self, X: Any) -> NDArray[Any]:
        """Distances from new points to all anchors, (len(X), n_anchors)."""

    @abstractmethod
    def restrict(self, j: Index) -> Space:
        """What `from_new` needs when only the anchors at positions `j` are kept."""


@dataclass(frozen=True)
class FeatureSpace(Space):
    """Points with coordinates, under any metric of `sklearn.metrics.pairwise_distances`."""

    points: NDArray[Any]  # (n_rows, d)
    metric: Metric = "euclidean"

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        return len(self.points)

    @property
    def anchors(self) -> Index:  # type: ignore[override]
        return np.arange(len(self.points))

    def between(self, i: Index, j: Index) -> NDArray[Any]:
        return self.from_rows(i, j)

    def from_rows(self, rows: Index, j: Index) -> NDArray[Any]:
        return self._distances(self.points[rows], self.points[j])

    def from_new(self, X: Any) -> NDArray[Any]:
        return self._distances(X, self.points)

    def restrict(self, j: Index) -> FeatureSpace:
        return FeatureSpace(self.points[j], self.metric)

    def _distances(self, X: NDArray[Any], Y: NDArray[Any]) -> NDArray[Any]:
        return pairwise_distances(X, Y, metric=self.metric)
