"""Spaces derived from other spaces: mean distances, prepared features, saturated distances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from scipy import sparse

from skgw.fields import Numbers, Positions, Positive, Shape
from skgw.spaces.finite import Array, Index, Space
from skgw.storable import storable


@storable
@dataclass(frozen=True)
class ConsensusSpace(Space):
    """Mean of several distances between the same points, each divided by its scale.

    The mean over several nearest-neighbour graphs reduces the effect of a short cut or a gap in one
    of the graphs.
    """

    spaces: tuple[Annotated[Space, Shape("p", "r")], ...]
    scales: tuple[Positive, ...]
    anchors: Annotated[Index, Positions("r")]

    def _check(self) -> None:
        if not self.spaces or len(self.spaces) != len(self.scales):
            raise ValueError("a ConsensusSpace needs a scale for each of its spaces")
        for space in self.spaces:
            _check_anchors(self, space)

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return self.spaces[0].n_rows

    @property
    def n_columns(self) -> int:
        """Number of columns of new points."""
        return self.spaces[0].n_columns

    def distances(self, rows: Index, j: Index) -> Array:
        """Mean distances from training rows to the anchors at positions `j`."""
        return self._mean(space.distances(rows, j) for space in self.spaces)

    def from_new(self, X: Array) -> Array:
        """Mean distances from new points to all anchors."""
        return self._mean(space.from_new(X) for space in self.spaces)

    def _mean(self, parts: Iterable[Array]) -> Array:
        weighted = (part / scale for part, scale in zip(parts, self.scales, strict=True))
        return np.asarray(sum(weighted) / len(self.spaces))

    def restrict(self, j: Index) -> ConsensusSpace:
        """Restrict every space to the anchors at positions `j`."""
        spaces = tuple(space.restrict(j) for space in self.spaces)
        return replace(self, spaces=spaces, anchors=spaces[0].anchors)


@storable
@dataclass(frozen=True)
class Preparation:
    """Affine scaling of features, and projection onto the unit sphere if `to_sphere`."""

    shift: Annotated[Array, Numbers("d")]
    scale: Annotated[Array, Numbers("d")]
    to_sphere: bool = False

    @property
    def shape(self) -> tuple[int]:
        """Number of features."""
        return (len(self.shift),)

    def __call__(self, X: Any) -> Array:
        """Prepare features (n, d), sparse or dense."""
        X = X.toarray() if sparse.issparse(X) else X
        X = (X - self.shift) / self.scale
        if not self.to_sphere:
            return X
        norms = np.linalg.norm(X, axis=1, keepdims=True)
        return X / np.where(norms > 0, norms, 1)


@storable
@dataclass(frozen=True)
class PreparedSpace(Space):
    """Points under the distances between their prepared features."""

    space: Annotated[Space, Shape("p", "r")]  # of the prepared points
    preparation: Annotated[Preparation, Shape("p")]
    anchors: Annotated[Index, Positions("r")]

    def _check(self) -> None:
        _check_anchors(self, self.space)

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return self.space.n_rows

    @property
    def n_columns(self) -> int:
        """Number of features."""
        return self.space.n_columns

    def distances(self, rows: Index, j: Index) -> Array:
        """Distances from training rows to the anchors at positions `j`, of prepared features."""
        return self.space.distances(rows, j)

    def from_new(self, X: Any) -> Array:
        """Distances from new points, given by their features before preparation, to all anchors."""
        return self.space.from_new(self.preparation(X))

    def restrict(self, j: Index) -> PreparedSpace:
        """Restrict the space of the prepared points to the anchors at positions `j`."""
        space = self.space.restrict(j)
        return replace(self, space=space, anchors=space.anchors)


@storable
@dataclass(frozen=True)
class SaturatedSpace(Space):
    """Saturated distances 1 - exp(-d / reach) of the distances d of a space.

    The function is concave, so that saturated distances are a metric. They are d / reach to first
    order for d below the reach, and they exceed 0.95 for d above three times the reach.
    """

    space: Annotated[Space, Shape("p", "r")]
    reach: Positive
    anchors: Annotated[Index, Positions("r")]

    def _check(self) -> None:
        _check_anchors(self, self.space)

    @property
    def n_rows(self) -> int:
        """Number of training rows."""
        return self.space.n_rows

    @property
    def n_columns(self) -> int:
        """Number of columns of new points."""
        return self.space.n_columns

    def distances(self, rows: Index, j: Index) -> Array:
        """Saturated distances from training rows to the anchors at positions `j`."""
        return self._saturated(self.space.distances(rows, j))

    def from_new(self, X: Array) -> Array:
        """Saturated distances from new points to all anchors."""
        return self._saturated(self.space.from_new(X))

    def _saturated(self, distances: Array) -> Array:
        return np.asarray(-np.expm1(-distances / self.reach))

    def restrict(self, j: Index) -> SaturatedSpace:
        """Restrict the space to the anchors at positions `j`."""
        space = self.space.restrict(j)
        return replace(self, space=space, anchors=space.anchors)


def _check_anchors(space: Space, part: Space) -> None:
    """Raise a ValueError unless a space has the anchors of the space that it derives from."""
    if not np.array_equal(space.anchors, part.anchors):
        raise ValueError(f"the anchors of a {type(space).__name__} must be those of its parts")
