"""Distances between the anchors of a space, kept in memory if the anchors are few."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skgw.spaces import Space
from skgw.spaces.finite import Array, Index


class AnchorDistances(NamedTuple):
    """Distances between the N anchors of a space.

    Attributes
    ----------
    space : Space
    matrix : array of shape (N, N) or None
        All distances; None: each call of `between` computes distances.
    """

    space: Space
    matrix: Array | None = None

    @classmethod
    def of(cls, space: Space, max_cached: int) -> AnchorDistances:
        """Distances of a space, in memory for at most `max_cached` anchors."""
        n = len(space.anchors)
        return cls(space, space.between(np.arange(n), np.arange(n)) if n <= max_cached else None)

    @property
    def n_anchors(self) -> int:
        """Number N of anchors."""
        return len(self.space.anchors)

    def between(self, i: Index, j: Index) -> Array:
        """Distances between the anchors at positions `i` and `j`, (len(i), len(j))."""
        if self.matrix is None:
            return self.space.between(i, j)
        return self.matrix[i[:, None], j]
