"""Spaces made of other spaces: means of distances, of prepared features, and near ones only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from skgw.spaces.finite import Array, Index, Space
from skgw.storable import storable


@storable
@dataclass(frozen=True)
class ConsensusSpace(Space):
    """Mean of several distances between the same points, each over its own scale.

    What one graph of nearest neighbours gets wrong, a short cut or a gap, others get right.
    """

    spaces: tuple[Space, ...]
    scales: tuple[float, ...]
    anchors: Index

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return self.spaces[0].n_rows

    def distances(self, rows: Index, j: Index) -> Array:
        """Of each space in turn."""
        return self._mean(space.distances(rows, j) for space in self.spaces)

    def from_new(self, X: Array) -> Array:
        """From what each of the spaces takes."""
        return self._mean(space.from_new(X) for space in self.spaces)

    def _mean(self, parts: Iterable[Array]) -> Array:
        weighted = (part / scale for part, scale in zip(parts, self.scales, strict=True))
        return np.asarray(sum(weighted) / len(self.spaces))

    def restrict(self, j: Index) -> ConsensusSpace:
        """Restrict each."""
        spaces = tuple(space.restrict(j) for space in self.spaces)
        return replace(self, spaces=spaces, anchors=spaces[0].anchors)


@storable
@dataclass(frozen=True)
class Preparation:
    """Features less `shift`, over `scale`, and put on the unit sphere if `to_sphere`."""

    shift: Array  # (d,)
    scale: Array  # (d,)
    to_sphere: bool = False

    def __call__(self, X: Array) -> Array:
        """The prepared features, (n, d)."""
        X = (X - self.shift) / self.scale
        if not self.to_sphere:
            return X
        norms = np.linalg.norm(X, axis=1, keepdims=True)
        return X / np.where(norms > 0, norms, 1)


@storable
@dataclass(frozen=True)
class PreparedSpace(Space):
    """Points under the distances of their prepared features."""

    space: Space  # of the prepared points
    preparation: Preparation
    anchors: Index

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return self.space.n_rows

    def distances(self, rows: Index, j: Index) -> Array:
        """Those of the prepared points."""
        return self.space.distances(rows, j)

    def from_new(self, X: Array) -> Array:
        """From features as they were before."""
        return self.space.from_new(self.preparation(X))

    def restrict(self, j: Index) -> PreparedSpace:
        """Restrict the space of the prepared points."""
        space = self.space.restrict(j)
        return replace(self, space=space, anchors=space.anchors)


@storable
@dataclass(frozen=True)
class SaturatedSpace(Space):
    """Distances d of a space as 1 - exp(-d / reach).

    They are a metric, too, as the function is concave. Near points are as far apart as before, over
    the reach; points beyond it are all about equally far.
    """

    space: Space
    reach: float
    anchors: Index

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return self.space.n_rows

    def distances(self, rows: Index, j: Index) -> Array:
        """Those of the space, saturated."""
        return self._saturated(self.space.distances(rows, j))

    def from_new(self, X: Array) -> Array:
        """From what the space takes."""
        return self._saturated(self.space.from_new(X))

    def _saturated(self, distances: Array) -> Array:
        return np.asarray(-np.expm1(-distances / self.reach))

    def restrict(self, j: Index) -> SaturatedSpace:
        """Restrict the space."""
        space = self.space.restrict(j)
        return replace(self, space=space, anchors=space.anchors)
